package config

import "testing"

// Where the Onion module meets others is read from its own section, unless it is
// said in ours; what cannot be read there is not our business.
func TestOnion(t *testing.T) {
	for _, row := range []struct {
		text string
		port uint16 // 0 = none
	}{
		{"", 0},
		{"[onion]\np2p_address = 127.0.0.1:6301\napi_address = 127.0.0.1:7301\nhops = 3\n", 6301},
		{"[ONION]\nlisten_address = \"[::1]:6301\" ; comment\n", 6301},
		{"[onion]\np2p_address = nonsense\nx = \"\n", 0},
		{"[onion]\np2p_address = 127.0.0.1:0\n", 0},
		{"[rps]\nonion_address = 127.0.0.1:6302\n[onion]\np2p_address = 127.0.0.1:6301\n", 6302},
		{"[onion]\np2p_address = 127.0.0.1:6301\n[rps]\nonion_address = 127.0.0.1:6302\n", 6302},
		{"[onion]\np2p_address = 127.0.0.1:6301\n[rps]\nonion_address = off\n", 0},
	} {
		c, warnings := parse(t, row.text)
		if len(warnings) != 0 || c.Onion.Port != row.port || c.Onion.Off != (row.port == 0) {
			t.Errorf("%q: %+v, warnings %v, want port %d", row.text, c.Onion, warnings, row.port)
		}
	}
}

// Sections that are shared with other programs' modules.
func TestModuleAPIs(t *testing.T) {
	c, warnings := parse(t, "[rps]\napi_address = localhost:7101\np2p_address = 0.0.0.0:6101\nround = 5s\n[nse]\nlisten_address = 0.0.0.0:6201\napi_address = 127.0.0.1:7201\n")
	if len(warnings) != 0 || c.RPSAPI.Address() != "127.0.0.1:7101" || c.NSEAPI.Address() != "127.0.0.1:7201" {
		t.Errorf("RPS at %v, NSE at %v, warnings %v", c.RPSAPI, c.NSEAPI, warnings)
	}
}
