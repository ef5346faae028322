package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var errNotUTF8 = errors.New("not UTF-8 text: save the file as UTF-8")

// literal is the value of a key with quotes and comment taken off.
type literal struct {
	text string
	// glued says that a # or ; without a space before it ended the value, so
	// that it might as well be part of it.
	glued bool
}

func unquote(raw string) (literal, error) {
	v, err := cut(raw)
	if err == nil {
		err = checkText(v.text)
	}
	return v, err
}

// checkText refuses what WriteTo could not write on a line of its own.
func checkText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return errNotUTF8
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s holds a control character", quote(s))
	}
	return nil
}

func cut(raw string) (literal, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return literal{}, nil
	}
	if q := raw[:1]; q == `"` || q == `'` {
		var text strings.Builder
		for rest := raw[1:]; ; {
			part, after, ok := strings.Cut(rest, q)
			if !ok {
				return literal{}, fmt.Errorf("%s lacks its closing quote", quote(raw))
			}
			text.WriteString(part)
			if !strings.HasPrefix(after, q) {
				after = strings.TrimSpace(after)
				if after != "" && after[0] != '#' && after[0] != ';' {
					return literal{}, fmt.Errorf("%s follows the closing quote", quote(after))
				}
				return literal{text: text.String()}, nil
			}
			text.WriteString(q)
			rest = after[1:]
		}
	}
	i := strings.IndexAny(raw, "#;")
	if i < 0 {
		return literal{text: raw}, nil
	}
	text := strings.TrimRightFunc(raw[:i], unicode.IsSpace)
	return literal{text: text, glued: i > 0 && len(text) == i}, nil
}

// enquote writes v so that unquote gives it back.
func enquote(v string) string {
	if v == "" || !strings.ContainsAny(v, "#;\"'`") && strings.TrimSpace(v) == v {
		return v
	}
	return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
}

// codec reads and writes one kind of value.
type codec struct {
	allowed string // what is allowed, with its unit
	parse   func(c *Config, v string) error
	format  func(c *Config) string
}

// parseInt takes a decimal number from lo to hi.
func parseInt(v string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(v)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && (n < lo || n > hi):
		return 0, fmt.Errorf("%s is out of range", quote(v))
	case err != nil:
		return 0, fmt.Errorf("%s is not a whole number", quote(v))
	}
	return n, nil
}

func number[T ~int | ~uint8](field func(*Config) *T, lo, hi int, unit string) codec {
	return codec{
		allowed: fmt.Sprintf("%d to %d%s", lo, hi, unit),
		parse: func(c *Config, v string) error {
			n, err := parseInt(v, lo, hi)
			*field(c) = T(n)
			return err
		},
		format: func(c *Config) string { return strconv.Itoa(int(*field(c))) },
	}
}

// numberOrZero takes lo to hi, and 0, which means zero.
func numberOrZero(field func(*Config) *int, lo, hi int, unit, zero string) codec {
	c := number(field, 0, hi, unit)
	c.allowed = fmt.Sprintf("%d to %d%s, 0 = %s", lo, hi, unit, zero)
	parse := c.parse
	c.parse = func(c *Config, v string) error {
		err := parse(c, v)
		if n := *field(c); err == nil && n != 0 && n < lo {
			err = fmt.Errorf("%s is out of range", quote(v))
		}
		return err
	}
	return c
}

// hexDigits reads the difficulty as the predecessors count it, a digit being 4 bits.
func hexDigits(field func(*Config) *int, most int) codec {
	return codec{
		allowed: fmt.Sprintf("0 to %d leading zero hex digits", most),
		parse: func(c *Config, v string) error {
			n, err := parseInt(v, 0, most)
			*field(c) = 4 * n
			return err
		},
		format: func(c *Config) string { return strconv.Itoa(*field(c) / 4) },
	}
}

// duration takes lo to hi, and 0 if zero says what that means.
func duration(field func(*Config) *time.Duration, lo, hi time.Duration, zero string) codec {
	span := fmt.Sprintf("%s to %s", formatDuration(lo), formatDuration(hi))
	if lo <= 1 {
		span = fmt.Sprintf("above 0 up to %s", formatDuration(hi))
	}
	if zero != "" {
		span += ", 0 = " + zero
	}
	return codec{
		allowed: span,
		parse: func(c *Config, v string) error {
			d, err := parseDuration(v)
			if err == nil && (d < lo || d > hi) && (d != 0 || zero == "") {
				err = fmt.Errorf("%s is out of range", quote(v))
			}
			*field(c) = d
			return err
		},
		format: func(c *Config) string { return formatDuration(*field(c)) },
	}
}

func parseDuration(v string) (time.Duration, error) {
	text := v
	if v != "" && strings.Trim(v, "+-.0123456789") == "" {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a duration such as 90s, 1m30s or 90 (seconds)", quote(v))
	case d < 0:
		return 0, fmt.Errorf("%s is negative", quote(v))
	case d == 0 && strings.ContainsAny(v, "123456789"):
		return 0, fmt.Errorf("%s is less than a nanosecond", quote(v)) // and must not pass for 0 = off
	}
	return d, nil
}

// formatDuration is Duration.String without needless zeros: 1h, not 1h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if d == 0 {
		return "0"
	}
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func boolean(field func(*Config) *bool) codec {
	return codec{
		allowed: "true or false",
		parse: func(c *Config, v string) error {
			switch strings.ToLower(v) {
			case "true", "yes", "on", "1":
				*field(c) = true
			case "false", "no", "off", "0":
				*field(c) = false
			default:
				return fmt.Errorf("%s is neither true nor false", quote(v))
			}
			return nil
		},
		format: func(c *Config) string { return strconv.FormatBool(*field(c)) },
	}
}

func probability(field func(*Config) *float64) codec {
	return codec{
		allowed: "a probability from 0 to 1",
		parse: func(c *Config, v string) error {
			p, err := strconv.ParseFloat(v, 64)
			switch {
			case err != nil && !errors.Is(err, strconv.ErrRange), math.IsNaN(p):
				return fmt.Errorf("%s is not a number", quote(v))
			case p < 0 || p > 1:
				return fmt.Errorf("%s is out of range", quote(v))
			}
			*field(c) = p + 0 // -0 becomes 0
			return nil
		},
		format: func(c *Config) string { return strconv.FormatFloat(*field(c), 'g', -1, 64) },
	}
}

// endpoint takes host:port or off.
func endpoint(field func(*Config) *Endpoint, allowed string, check func(Endpoint) error) codec {
	return codec{
		allowed: allowed,
		parse: func(c *Config, v string) error {
			e, err := parseEndpoint(v)
			*field(c) = e
			if err == nil && check != nil {
				err = check(e)
			}
			return err
		},
		format: func(c *Config) string { return field(c).String() },
	}
}

// list reads a comma-separated list, empty elements skipped, repeated ones taken
// once. It reports every bad element.
func list[E fmt.Stringer](field func(*Config) *[]E, parse func(string) ([]E, error), least, most int, what, allowed string) codec {
	return codec{
		allowed: fmt.Sprintf("%d to %d %s with commas between%s", least, most, what, allowed),
		parse: func(c *Config, v string) error {
			var all []E
			var errs []error
			seen := map[string]bool{}
			for element := range strings.SplitSeq(v, ",") {
				if element = strings.TrimSpace(element); element == "" {
					continue
				}
				if len(errs) > maxErrors {
					break
				}
				es, err := parse(element)
				if err != nil {
					errs = append(errs, err)
				}
				for _, e := range es {
					if s := e.String(); err == nil && !seen[s] {
						seen[s] = true
						all = append(all, e)
					}
				}
			}
			if len(errs) == 0 && (len(all) < least || len(all) > most) {
				errs = append(errs, fmt.Errorf("names %d %s", len(all), what))
			}
			*field(c) = all
			return errors.Join(errs...)
		},
		format: func(c *Config) string {
			parts := make([]string, 0, len(*field(c)))
			for _, e := range *field(c) {
				parts = append(parts, e.String())
			}
			return strings.Join(parts, ", ")
		},
	}
}

// MaxNetworkName is the length of the longest network name in bytes.
const MaxNetworkName = 32

func networkName(field func(*Config) *string) codec {
	return codec{
		allowed: fmt.Sprintf("1 to %d of a-z 0-9 - . _", MaxNetworkName),
		parse: func(c *Config, v string) error {
			*field(c) = v
			if bad := strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789-._"); bad != "" {
				r, _ := utf8.DecodeRuneInString(bad)
				return fmt.Errorf("%s: %q is not allowed", quote(v), r)
			}
			if v == "" || len(v) > MaxNetworkName {
				return fmt.Errorf("%s has %d bytes", quote(v), len(v))
			}
			return nil
		},
		format: func(c *Config) string { return *field(c) },
	}
}

// folder holds a path that the parser has made absolute; empty is the error for
// none, nil where none is allowed.
func folder(field func(*Config) *string, empty error) codec {
	return codec{
		allowed: "a path, relative to the folder of this file",
		parse: func(c *Config, v string) error {
			*field(c) = v
			if v == "" {
				return empty
			}
			return nil
		},
		format: func(c *Config) string { return *field(c) },
	}
}

func logLevel(field func(*Config) *slog.Level) codec {
	names := []string{"error", "warn", "info", "debug"}
	levels := []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}
	return codec{
		allowed: "error, warn, info or debug",
		parse: func(c *Config, v string) error {
			i := slices.Index(names, strings.ToLower(v))
			if i < 0 {
				return fmt.Errorf("%s is no level of severity", quote(v))
			}
			*field(c) = levels[i]
			return nil
		},
		format: func(c *Config) string { return strings.ToLower(field(c).String()) },
	}
}
