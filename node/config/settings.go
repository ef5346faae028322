package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// setting is one key. Several keys may set the same field; all but one of them
// are aliases, which may repeat what another one says but not contradict it.
type setting struct {
	section, key string
	field        string // of Config
	alias        string // what WriteTo writes instead, "" = this key
	path         bool   // relative to the file's folder
	about        string // one line without a full stop
	codec
	// unset is the flag that says that the field is a default that still adapts:
	// a port that may be taken, a folder that depends on the environment. nil =
	// no such flag.
	unset func(*Config) *bool
}

// sections have settings, in the order of README.md and WriteTo; "" is the part
// before any section.
var sections = []string{"", "gossip", "dht", "rps", "nse", "hearsay"}

// shared sections are read by other programs as well: one file configures all
// modules of a phone, and its DHT may be another one than ours. What we do not
// know there is left alone.
var shared = []string{"dht", "rps", "nse"}

func isOurs(section string) bool { return slices.Contains(sections, section) && !isShared(section) }

func isShared(section string) bool { return slices.Contains(shared, section) }

const hostkey = "hostkey"

// elsewhere keys of shared sections are known and of no use to us: all modules
// of a node listen for other nodes at [gossip] p2p_address.
var elsewhere = []string{"p2p_address", "listen_address"}

// obsolete keys, as section.key, are read over with a warning. The predecessor
// needed these for its tests.
var obsolete = map[string]bool{
	"gossip.p2p_address_test": true,
	"gossip.api_address_test": true,
}

// More addresses than these are a mistake.
const (
	maxBootstrappers = 256
	maxListen        = 16
	maxAllowed       = 1024 // longer lists go into a file
)

// Codecs of fields that several keys set.
var (
	listenCodec = list(func(c *Config) *[]ma.Multiaddr { return &c.Listen }, parseListen, 1, maxListen,
		"addresses", ": host:port (TCP) or a multiaddr; port 0 = any free one")
	bootstrapCodec = list(func(c *Config) *[]Bootstrapper { return &c.Bootstrap },
		func(v string) ([]Bootstrapper, error) {
			b, err := parseBootstrapper(v)
			return []Bootstrapper{b}, err
		}, 0, maxBootstrappers,
		"addresses", ": host:port (TCP) or a multiaddr with or without /p2p/ID")
	validationCodec = duration(func(c *Config) *time.Duration { return &c.ValidationTimeout }, 1, time.Hour, "")
)

func difficultyBits(c *Config) *int { return &c.DifficultyBits }
func listenDefault(c *Config) *bool { return &c.ListenDefault }

// settings is the table of all keys, in the order of README.md and WriteTo.
var settings = []setting{
	{section: "", key: hostkey, field: "HostKey", path: true,
		about: "PEM file with the node's private key; empty = one is made in state_dir",
		codec: folder(func(c *Config) *string { return &c.HostKey }, nil)},

	{section: "gossip", key: "cache_size", field: "CacheSize",
		about: "Most data items kept, the oldest go first; more lets late joiners catch up on more",
		codec: number(func(c *Config) *int { return &c.CacheSize }, 1, 1_000_000, " items")},
	{section: "gossip", key: "degree", field: "Degree",
		about: "Neighbours to exchange with; more survives more crashes and costs connections",
		codec: number(func(c *Config) *int { return &c.Degree }, 1, 1000, " neighbours")},
	{section: "gossip", key: "bootstrapper", field: "Bootstrap", codec: bootstrapCodec,
		about: "First contacts: p2p addresses of any other nodes"},
	{section: "gossip", key: "bootstrapper_address", field: "Bootstrap", codec: bootstrapCodec, alias: "bootstrapper"},
	{section: "gossip", key: "p2p_address", field: "Listen", codec: listenCodec, unset: listenDefault,
		about: "Where other nodes reach this one; unset = every interface, another port if this one is taken"},
	{section: "gossip", key: "listen_address", field: "Listen", codec: listenCodec, unset: listenDefault, alias: "p2p_address"},
	{section: "gossip", key: "api_address", field: "API",
		about: "Where modules reach the Gossip API; unset = another port if this one is taken",
		codec: endpoint(func(c *Config) *Endpoint { return &c.API }, "host:port, port 0 = any free one; empty or off = no API", nil),
		unset: func(c *Config) *bool { return &c.API.Default }},
	{section: "gossip", key: "api_allow_remote", field: "APIAllowRemote",
		about: "Permit an api_address that other machines reach; the API asks nobody for a password",
		codec: boolean(func(c *Config) *bool { return &c.APIAllowRemote })},
	{section: "gossip", key: "strict_announce", field: "StrictAnnounce",
		about: "Close API connections that ANNOUNCE without ever having sent NOTIFY",
		codec: boolean(func(c *Config) *bool { return &c.StrictAnnounce })},
	{section: "gossip", key: "difficulty", field: "DifficultyBits", alias: "difficulty_bits",
		codec: hexDigits(difficultyBits, 10)},
	{section: "gossip", key: "difficulty_bits", field: "DifficultyBits",
		about: "Proof of work of a rumor, the same on all nodes; 4 bits are one hex digit of difficulty",
		codec: number(difficultyBits, 0, 40, " leading zero bits")},
	{section: "gossip", key: "ttl", field: "TTL",
		about: "Hops that this node's own announcements go unless they say it themselves",
		codec: number(func(c *Config) *uint8 { return &c.TTL }, 0, 255, " hops, 0 = unlimited")},
	{section: "gossip", key: "ack_timeout", field: "AckTimeout",
		about: "Wait for a neighbour's receipt before another neighbour is tried",
		codec: duration(func(c *Config) *time.Duration { return &c.AckTimeout }, 10*time.Millisecond, 10*time.Minute, "wait for ever")},
	{section: "gossip", key: "validation_timeout", field: "ValidationTimeout", codec: validationCodec,
		about: "Wait for modules to validate a rumor, which is not forwarded after that"},
	{section: "gossip", key: "replay", field: "Replay",
		about: "How far back a new subscriber is told what the node knew before",
		codec: duration(func(c *Config) *time.Duration { return &c.Replay }, 1, time.Hour, "nothing")},
	{section: "gossip", key: "notification_pace", field: "NotificationPace",
		about: "Pause before the next NOTIFICATION while the one before is not validated",
		codec: duration(func(c *Config) *time.Duration { return &c.NotificationPace }, 1, time.Minute, "no pause")},
	{section: "gossip", key: "max_api_connections", field: "MaxAPIConnections",
		about: "Connections of modules served at once",
		codec: number(func(c *Config) *int { return &c.MaxAPIConnections }, 1, 10_000, " connections")},

	{section: "dht", key: "api_address", field: "DHTAPI",
		about: "Where modules reach the DHT API, which the other limits of [gossip] hold for as well",
		codec: endpoint(func(c *Config) *Endpoint { return &c.DHTAPI }, "host:port, port 0 = any free one; empty or off = no API", nil)},

	{section: "rps", key: "api_address", field: "RPSAPI",
		about: "Where modules reach the RPS API: random peers",
		codec: endpoint(func(c *Config) *Endpoint { return &c.RPSAPI }, "host:port, port 0 = any free one; empty or off = no API", nil)},
	{section: "rps", key: "onion_address", field: "Onion",
		about: "Where this phone's Onion module meets those of others, which learn it by RPS; unset = p2p_address of [onion]",
		codec: endpoint(func(c *Config) *Endpoint { return &c.Onion }, "host:port, of which the port counts; empty or off = there is none", nil)},

	{section: "nse", key: "api_address", field: "NSEAPI",
		about: "Where modules reach the NSE API: the size of the network",
		codec: endpoint(func(c *Config) *Endpoint { return &c.NSEAPI }, "host:port, port 0 = any free one; empty or off = no API", nil)},

	{section: "hearsay", key: "state_dir", field: "StateDir", path: true,
		about: "Folder for what must survive a restart, one for each node",
		codec: folder(func(c *Config) *string { return &c.StateDir }, errors.New("names no folder; leave the line out for the default")),
		unset: func(c *Config) *bool { return &c.StateDirDefault }},
	{section: "hearsay", key: "control_address", field: "Control",
		about: "Where the control API and the dashboard listen",
		codec: endpoint(func(c *Config) *Endpoint { return &c.Control }, "host:port with a loopback host, port 0 = any free one; empty or off = none", loopbackOnly),
		unset: func(c *Config) *bool { return &c.Control.Default }},
	{section: "hearsay", key: "lab_api", field: "LabAPI",
		about: "Take part in the gossip lab: GET /peers/ and POST /gossip/ of the control API, for any program on this machine",
		codec: boolean(func(c *Config) *bool { return &c.LabAPI })},
	{section: "hearsay", key: "network", field: "Network",
		about: "Name of the gossip network; nodes of other networks are ignored",
		codec: networkName(func(c *Config) *string { return &c.Network })},
	{section: "hearsay", key: "network_key", field: "NetworkKey", path: true,
		about: "File with the key of a closed network (swarm.key); who has not the same cannot connect",
		codec: folder(func(c *Config) *string { return &c.NetworkKey }, nil)},
	{section: "hearsay", key: "allow_peers", field: "AllowPeers",
		about: "The only peers that may connect; empty = everybody, unless allow_peers_file names some",
		codec: list(func(c *Config) *[]peer.ID { return &c.AllowPeers }, parsePeer, 0, maxAllowed, "peer IDs", "")},
	{section: "hearsay", key: "allow_peers_file", field: "AllowPeersFile", path: true,
		about: "File with more of them, one a line, # begins a comment; a change counts within seconds",
		codec: folder(func(c *Config) *string { return &c.AllowPeersFile }, nil)},
	{section: "hearsay", key: "autonat", field: "AutoNAT",
		about: "Ask peers to try whether this node's public addresses can be reached, and try theirs",
		codec: boolean(func(c *Config) *bool { return &c.AutoNAT })},
	{section: "hearsay", key: "port_mapping", field: "PortMapping",
		about: "Ask the router to forward the p2p port, by UPnP and NAT-PMP",
		codec: boolean(func(c *Config) *bool { return &c.PortMapping })},
	{section: "hearsay", key: "relay", field: "Relay",
		about: "Be reached through other nodes if not directly, and reach such nodes; small traffic, for minutes",
		codec: boolean(func(c *Config) *bool { return &c.Relay })},
	{section: "hearsay", key: "relay_service", field: "RelayService",
		about: "Be such a node for others, within narrow limits, when this one turns out to be public",
		codec: boolean(func(c *Config) *bool { return &c.RelayService })},
	{section: "hearsay", key: "hole_punching", field: "HolePunching",
		about: "Turn relayed connections into direct ones through both routers; needs relay",
		codec: boolean(func(c *Config) *bool { return &c.HolePunching })},
	{section: "hearsay", key: "mdns", field: "MDNS",
		about: "Find nodes on the local network by multicast",
		codec: boolean(func(c *Config) *bool { return &c.MDNS })},
	{section: "hearsay", key: "kademlia", field: "Kademlia",
		about: "Find nodes, and keep the DHT's values, by a distributed hash table",
		codec: boolean(func(c *Config) *bool { return &c.Kademlia })},
	{section: "hearsay", key: "peer_exchange", field: "PeerExchange",
		about: "Swap lists of known peers with neighbours",
		codec: boolean(func(c *Config) *bool { return &c.PeerExchange })},
	{section: "hearsay", key: "heartbeat", field: "Heartbeat",
		about: "Time between two renewals of this node's presence, each of which goes to every node",
		codec: duration(func(c *Config) *time.Duration { return &c.Heartbeat }, 100*time.Millisecond, time.Hour, "off")},
	{section: "hearsay", key: "anti_entropy", field: "AntiEntropy",
		about: "Time between two reconciliations with a random peer, which complete late joiners",
		codec: duration(func(c *Config) *time.Duration { return &c.AntiEntropy }, 100*time.Millisecond, time.Hour, "off")},
	{section: "hearsay", key: "continue_mongering", field: "ContinueMongering",
		about: "Go on with another peer after a reconciliation that taught something",
		codec: probability(func(c *Config) *float64 { return &c.ContinueMongering })},
	{section: "hearsay", key: "validation_timeout", field: "ValidationTimeout", codec: validationCodec, alias: "[gossip] validation_timeout"},
	{section: "hearsay", key: "lifetime", field: "Lifetime",
		about: "How long this node's announcements are alive; what is expired is never delivered",
		codec: duration(func(c *Config) *time.Duration { return &c.Lifetime }, 10*time.Second, 24*time.Hour, "")},
	{section: "hearsay", key: "memory_limit", field: "MemoryLimit",
		about: "MiB of memory that are not exceeded by garbage; in a container at most three quarters of what it may have",
		codec: numberOrZero(func(c *Config) *int { return &c.MemoryLimit }, 32, 1<<20, " MiB", "no limit")},
	{section: "hearsay", key: "log_level", field: "LogLevel",
		about: "Least severity that is logged",
		codec: logLevel(func(c *Config) *slog.Level { return &c.LogLevel })},
}

// loopbackOnly keeps the control API from the network; there is no way around.
func loopbackOnly(e Endpoint) error {
	if e.Off || e.Loopback() {
		return nil
	}
	return fmt.Errorf("%s is not a loopback address, and whoever reaches the control API commands the node", quote(e.String()))
}

func find(section, key string) (setting, bool) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.section == section && s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

// canonical returns the setting that WriteTo writes for the field that s sets.
func (s setting) canonical() setting {
	i := slices.IndexFunc(settings, func(m setting) bool { return m.field == s.field && m.alias == "" })
	return settings[i]
}
