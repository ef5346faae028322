package control

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"hearsay/node"
)

func TestValues(t *testing.T) {
	dir := t.TempDir()
	running(t, dir, &fake{started: time.Now()})
	c := client(t, dir)
	key := node.ValueKey{1, 2, 3}
	got, err := c.Values(t.Context(), key)
	if err != nil || len(got.Values) != 0 || got.Values == nil || got.Key != "010203"+strings.Repeat("0", 58) {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
	stored, err := c.PutValue(t.Context(), key, ValueRequest{Value: []byte("v"), TTL: 60})
	if err != nil || stored.Copies != 3 || stored.Key != got.Key {
		t.Errorf("%+v, %v", stored, err)
	}
	got, err = c.Values(t.Context(), key)
	if err != nil || len(got.Values) != 1 || string(got.Values[0].Value) != "v" || got.Values[0].Signer != alice.String() {
		t.Errorf("%+v, %v", got, err)
	}
	for n, want := range map[int]int{0: http.StatusBadRequest, MaxValue: 0, MaxValue + 1: http.StatusRequestEntityTooLarge} {
		_, err := c.PutValue(t.Context(), key, ValueRequest{Value: bytes.Repeat([]byte("x"), n)})
		var refused *Error
		if errors.As(err, &refused); (want == 0) != (err == nil) || err != nil && refused.Status != want {
			t.Errorf("a value of %d bytes: %v", n, err)
		}
	}
	for _, bad := range []string{"/v1/dht/xyz", "/v1/dht/0102", "/v1/dht/" + strings.Repeat("0", 66)} {
		if _, err := get[Values](t.Context(), c, bad); err == nil || !strings.Contains(err.Error(), "no key") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
