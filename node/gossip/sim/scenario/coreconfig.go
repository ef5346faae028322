package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hearsay/node/gossip"
)

// The core's settings go by the names of the fields of gossip.Config, in lower
// case with underscores: what is added there can be set here.

// notSettings are the fields that the simulator fills in.
var notSettings = map[string]bool{"self": true, "network": true, "epoch": true, "agent": true}

// pushModes are the values of the setting push.
var pushModes = map[string]gossip.PushMode{"rooted": gossip.PushRooted, "shared": gossip.PushShared, "flood": gossip.PushFlood}

// underscored is "AntiEntropy" as "anti_entropy".
func underscored(field string) string {
	var b strings.Builder
	for i, r := range field {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// settable says whether text can be made of a field.
func settable(f reflect.StructField) bool {
	if notSettings[underscored(f.Name)] {
		return false
	}
	if f.Type == reflect.TypeFor[gossip.PushMode]() {
		return true
	}
	switch f.Type.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Bool:
		return true
	}
	return false
}

// coreSettings lists the names of what can be set.
func coreSettings() []string {
	var all []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[gossip.Config]()) {
		if settable(f) {
			all = append(all, underscored(f.Name))
		}
	}
	return all
}

// setCore sets one of the core's settings by its name.
func setCore(cfg *gossip.Config, name, text string) error {
	v := reflect.ValueOf(cfg).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		if underscored(f.Name) != name || !settable(f) {
			continue
		}
		field := v.FieldByIndex(f.Index)
		switch p := field.Addr().Interface().(type) {
		case *gossip.PushMode:
			mode, ok := pushModes[text]
			if !ok {
				return fmt.Errorf("there is no push mode %q: %s", text, strings.Join(slices.Sorted(maps.Keys(pushModes)), ", "))
			}
			*p = mode
			return nil
		case *time.Duration:
			d, err := time.ParseDuration(text)
			if err != nil {
				return fmt.Errorf("%q is no duration, such as 250ms or 1m30s", text)
			}
			*p = d
			return nil
		}
		var err error
		switch field.Kind() {
		case reflect.Int, reflect.Int64:
			var n int64
			n, err = strconv.ParseInt(text, 10, 64)
			field.SetInt(n)
		case reflect.Float64:
			var x float64
			x, err = strconv.ParseFloat(text, 64)
			field.SetFloat(x)
		case reflect.Bool:
			var b bool
			b, err = strconv.ParseBool(text)
			field.SetBool(b)
		}
		if err != nil {
			return fmt.Errorf("%q is no value of %s, which is a %s", text, name, field.Kind())
		}
		return nil
	}
	return errNoSetting
}

var errNoSetting = fmt.Errorf("no such setting")
