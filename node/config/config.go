package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Ports that a node without configuration prefers: those of the module API
// convention for Gossip (7001) and of its peer-to-peer side (6001).
const (
	DefaultP2PPort = 6001
	DefaultAPIPort = 7001
)

// Config is everything a user can set about a node. The name of the key stands
// in each comment; limits and defaults are those of README.md.
type Config struct {
	// HostKey (hostkey) is the absolute path of the PEM file with the node's
	// private key; "" has the node make one in StateDir. Default "".
	HostKey string

	// CacheSize (cache_size) is the most data items (rumors) kept; the oldest go
	// first. 1…1,000,000, default 1000. More lets late joiners catch up on more,
	// at the price of memory: an item takes its payload (up to 64 KiB) and some
	// hundred bytes. Fewer than are announced in a partition's time means loss.
	CacheSize int

	// Degree (degree) is how many neighbours to exchange with. 1…1000, default
	// 30. More survives more crashes at once and costs connections and control
	// traffic; payloads travel a spanning tree and hardly multiply.
	Degree int

	// Bootstrap (bootstrapper, bootstrapper_address) lists first contacts. Any
	// other node can be one; none is needed where mDNS finds a neighbour. At most
	// 256, default none.
	Bootstrap []Bootstrapper

	// Listen (p2p_address, listen_address) lists where other nodes reach this
	// one, 1…16 addresses. A port of 0 is any free one. Default: every interface,
	// IPv4 and IPv6, port 6001.
	Listen []ma.Multiaddr
	// ListenDefault says that the file does not set Listen: if the port is taken,
	// a free one will do. A port that the user asked for must not be replaced.
	ListenDefault bool

	// API (api_address) is where the Gossip API listens for modules. Default
	// 127.0.0.1:7001, another port if it is taken.
	API Endpoint

	// DHTAPI ([dht] api_address) is where the DHT API listens for modules. Default
	// none: a file without a [dht] section, or none at all, asks for no DHT, and the
	// usual port 7401 may be that of another program.
	DHTAPI Endpoint

	// RPSAPI ([rps] api_address) and NSEAPI ([nse] api_address) are where the RPS
	// and the NSE API listen for modules. Default none, for the same reason.
	RPSAPI, NSEAPI Endpoint

	// Onion ([rps] onion_address, else [onion] p2p_address or listen_address) is
	// where the Onion module beside this node meets those of others. Its port is
	// told to other nodes, whose RPS API offers it to their Onion modules. Default
	// none. A [onion] section that this node cannot read is left alone.
	Onion Endpoint

	// APIAllowRemote (api_allow_remote) permits API addresses that are not loopback
	// ones. The APIs know no passwords: whoever reaches them announces and puts values
	// in this node's name, and reads what it learns. Default false.
	APIAllowRemote bool

	// StrictAnnounce (strict_announce) closes an API connection that announces
	// without ever having sent NOTIFY. Several clients in use do just that, so the
	// default is false: accept and spread.
	StrictAnnounce bool

	// DifficultyBits (difficulty_bits, or difficulty in hex digits of 4 bits) is
	// the proof of work asked of every rumor, in leading zero bits. 0…40, default
	// 16. All nodes of a network must agree: rumors with less are dropped. One bit
	// more doubles the work of announcing for everybody, flooders included.
	DifficultyBits int

	// TTL (ttl) is how many hops announcements of this node go that do not say it
	// themselves. 0…255, 0 = unlimited, default 0. 1 reaches neighbours only.
	TTL uint8

	// AckTimeout (ack_timeout) is how long to wait for a neighbour's receipt
	// before another neighbour is tried. 0 = wait for ever, else 10 ms…10 min,
	// default 3 s. Shorter repairs faster and repeats more on slow links; below 2 s it
	// repeats what was not lost, for receipts are gathered for up to 1.5 s.
	AckTimeout time.Duration

	// ValidationTimeout (validation_timeout) is how long modules may take to
	// validate a rumor; it is not forwarded after that. Above 0 up to 1 h,
	// default 30 s.
	ValidationTimeout time.Duration

	// Replay (replay) is how far back a new subscriber is told what the node knew
	// before. 0 = nothing, up to 1 h, default 10 s. It closes the race between
	// one module's ANNOUNCE and another's NOTIFY; much longer floods a module that
	// reconnects. What waits for votes is told in any case.
	Replay time.Duration

	// NotificationPace (notification_pace) is the pause after which the next
	// NOTIFICATION leaves although the one before was not validated. 0 = no
	// pacing, up to 1 min, default 200 ms. Many clients lose both of two
	// NOTIFICATIONs that arrive in one read.
	NotificationPace time.Duration

	// MaxAPIConnections (max_api_connections) is how many connections of modules
	// are served at once; further ones are closed. 1…10,000, default 64.
	MaxAPIConnections int

	// StateDir (state_dir) is the absolute path of the folder for what must
	// survive a restart. Default $XDG_STATE_HOME/hearsay, else
	// ~/.local/state/hearsay. Every node on a machine needs its own.
	StateDir string
	// StateDirDefault says that the file does not set StateDir.
	StateDirDefault bool

	// Control (control_address) is where the control API and the dashboard
	// listen, loopback only. Default 127.0.0.1 and any free port.
	Control Endpoint

	// LabAPI (lab_api) has the control API take the gossip lab's messages too, from
	// any program on this machine, without a token. Default false.
	LabAPI bool

	// Network (network) is the name of the gossip network; nodes with different
	// names ignore each other. 1…32 bytes of a-z 0-9 - . _, default "hearsay".
	// It is no secret and keeps nobody out.
	Network string

	// NetworkKey (network_key) is the absolute path of the file with the key of a
	// closed network, in the format of swarm.key; "" = the network is open. Whoever
	// has another key, or none, cannot make a connection. Default "".
	NetworkKey string

	// AllowPeers (allow_peers) are the only peers that may connect, at most 1024,
	// together with those in AllowPeersFile (allow_peers_file), an absolute path.
	// With neither everybody may. Default none.
	AllowPeers     []peer.ID
	AllowPeersFile string

	// AutoNAT (autonat) asks peers to try whether this node's public addresses can
	// be reached, and tries theirs when they ask. A node that has only private
	// addresses asks nobody. Default true.
	AutoNAT bool

	// PortMapping (port_mapping) asks the router to forward the p2p port to this
	// node, by UPnP and NAT-PMP. Default false: it opens a way through somebody's
	// router, which its owner should have wanted.
	PortMapping bool

	// Relay (relay) has a node that cannot be reached keep a place at up to two
	// peers that can, so that others may begin there, and lets this node begin
	// there with others. Default true.
	Relay bool

	// RelayService (relay_service) has a node that turns out to be public be such
	// a peer, for members of the network only: 128 KiB each way and 2 minutes a
	// connection. Default true; a node on private addresses never serves.
	RelayService bool

	// HolePunching (hole_punching) turns a relayed connection into a direct one
	// by having both sides dial at the same instant. Default true; needs Relay.
	HolePunching bool

	// MDNS (mdns) finds nodes on the local network by multicast. Default true.
	MDNS bool

	// Kademlia (kademlia) finds nodes, and stores the DHT's values, through a
	// distributed hash table among the nodes of this network. Default true.
	Kademlia bool

	// PeerExchange (peer_exchange) swaps lists of known peers with neighbours.
	// Default true. Without it the overlay heals only through the other ways.
	PeerExchange bool

	// Heartbeat (heartbeat) is the time between two renewals of this node's
	// presence. 0 = none, else 100 ms…1 h, default 1 min. Shorter notices the
	// dead sooner; every renewal goes to every node.
	Heartbeat time.Duration

	// AntiEntropy (anti_entropy) is the time between two reconciliations with a
	// random peer. 0 = none, else 100 ms…1 h, default 10 s. It is what completes
	// late joiners and healed partitions; equal stores cost one fingerprint.
	AntiEntropy time.Duration

	// ContinueMongering (continue_mongering) is the probability to go on with
	// another peer after a reconciliation that taught something. 0…1, default 0.5.
	ContinueMongering float64

	// Lifetime (lifetime) is how long an announcement of this node is alive; what
	// is expired is never delivered. 10 s…24 h, default 1 h.
	Lifetime time.Duration

	// MemoryLimit (memory_limit) is how many MiB of memory Go's collector keeps
	// to, as far as what must be kept lets it. 0 = any number, else 32…1048576,
	// default 256.
	MemoryLimit int

	// LogLevel (log_level) is the least severity that is logged: error, warn,
	// info or debug. Default warn.
	LogLevel slog.Level
}

// Default returns the configuration of a node without a file. StateDir is "" if
// the environment names no home folder; it must be set before such a node runs.
func Default() *Config {
	return &Config{
		// The predecessors' 50 is for five phones on a desk. 1000 items of a
		// usual size (1 KiB) are a megabyte.
		CacheSize:         1000,
		Degree:            30,
		Listen:            everyInterface(DefaultP2PPort),
		ListenDefault:     true,
		API:               Endpoint{Host: "127.0.0.1", Port: DefaultAPIPort, Default: true},
		DHTAPI:            Endpoint{Off: true},
		RPSAPI:            Endpoint{Off: true},
		NSEAPI:            Endpoint{Off: true},
		Onion:             Endpoint{Off: true},
		DifficultyBits:    16,
		AckTimeout:        3 * time.Second,
		ValidationTimeout: 30 * time.Second,
		Replay:            10 * time.Second,
		NotificationPace:  200 * time.Millisecond,
		MaxAPIConnections: 64,
		StateDir:          defaultStateDir(),
		StateDirDefault:   true,
		Control:           Endpoint{Host: "127.0.0.1", Default: true},
		Network:           "hearsay",
		AutoNAT:           true,
		Relay:             true,
		RelayService:      true,
		HolePunching:      true,
		MDNS:              true,
		Kademlia:          true,
		PeerExchange:      true,
		Heartbeat:         time.Minute,
		AntiEntropy:       10 * time.Second,
		ContinueMongering: 0.5,
		Lifetime:          time.Hour,
		MemoryLimit:       256,
		LogLevel:          slog.LevelWarn,
	}
}

// defaultStateDir follows the XDG base directory specification, which has
// relative paths ignored. "" = the environment names no folder.
func defaultStateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hearsay")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "hearsay")
	}
	return ""
}
