package health

import "time"

// Severity says how bad a finding is.
type Severity string

const (
	// Info is good to know, and does not make a node unhealthy.
	Info Severity = "info"
	// Warning: the node works, but something is amiss.
	Warning Severity = "warning"
	// Error: the node does not do what it is there for.
	Error Severity = "error"
)

// Code names a kind of finding. Codes are part of the interface: they are the
// label of a metric and what a script looks for.
type Code string

// The codes. Their titles, severities and delays are in kinds.
const (
	NoNeighbour        Code = "no-neighbour"
	RelayedOnly        Code = "relayed-only"
	NoListener         Code = "no-listener"
	PortMoved          Code = "port-moved"
	PortTaken          Code = "port-taken"
	AddressUnusable    Code = "address-unusable"
	ContactUnreachable Code = "contact-unreachable"
	NoMulticast        Code = "no-multicast"
	NotReachable       Code = "not-reachable"
	NoPortMapping      Code = "no-port-mapping"
	ClockSkewed        Code = "clock-skewed"
	OtherNetworkKey    Code = "other-network-key"
	OtherNetwork       Code = "other-network"
	OtherDifficulty    Code = "other-difficulty"
	NotAllowed         Code = "not-allowed"
	HostkeyCopied      Code = "hostkey-copied"
	HostkeyUnusable    Code = "hostkey-unusable"
	KeyUnusable        Code = "network-key-unusable"
	ConfigWrong        Code = "config-wrong"
	VotesLate          Code = "votes-late"
	EpochBlocked       Code = "epoch-blocked"
	StateUnwritable    Code = "state-unwritable"
	JournalDamaged     Code = "journal-damaged"
	DiskFull           Code = "disk-full"
	FilesLow           Code = "files-low"
	Overloaded         Code = "overloaded"
	NotRunning         Code = "not-running"
	NotAnswering       Code = "not-answering"
	LoopStuck          Code = "loop-stuck"
)

// Kind is what all findings of one code have in common.
type Kind struct {
	Code     Code
	Title    string
	Severity Severity
	// Delay is how long the condition lasts before it is shown.
	Delay time.Duration
}

// kinds are all kinds, the most important ones first: the order of lists.
var kinds = []Kind{
	{ConfigWrong, "The configuration is wrong", Error, 0},
	{HostkeyUnusable, "The hostkey cannot be used", Error, 0},
	{KeyUnusable, "The network key cannot be used", Error, 0},
	{PortTaken, "A port is taken", Error, 0},
	{AddressUnusable, "An address cannot be used", Error, 0},
	{NotRunning, "No node is running", Error, 0},
	{NotAnswering, "The node does not answer", Error, 0},
	{LoopStuck, "The node stands still", Error, 0},
	{EpochBlocked, "Nothing can be announced", Error, 0},
	{HostkeyCopied, "Another node has this node's hostkey", Error, 0},
	{NoListener, "The node listens nowhere", Error, 10 * time.Second},
	{ClockSkewed, "The clock is wrong", Error, 10 * time.Second},
	{DiskFull, "The disk is nearly full", Warning, 0},
	{StateUnwritable, "The state folder cannot be written", Warning, 0},
	{NoNeighbour, "No neighbour", Warning, 30 * time.Second},
	{OtherNetworkKey, "Others use another network key", Warning, 0},
	{OtherDifficulty, "Others ask for another proof of work", Warning, 0},
	{RelayedOnly, "All neighbours are behind relays", Warning, 30 * time.Second},
	{VotesLate, "Modules do not validate in time", Warning, 0},
	{FilesLow, "Few files may still be opened", Warning, 10 * time.Second},
	{Overloaded, "The machine is too slow", Warning, 0},
	{JournalDamaged, "The journal was damaged", Warning, 0},
	{ContactUnreachable, "A first contact does not answer", Info, time.Minute},
	{NoMulticast, "Nodes on the local network cannot be found", Info, 10 * time.Second},
	{NotReachable, "Not reachable from outside", Info, 0},
	{NoPortMapping, "The router maps no port", Info, 30 * time.Second},
	{PortMoved, "A default port was taken", Info, 0},
	{NotAllowed, "Others are kept out", Info, 0},
	{OtherNetwork, "Nodes of other networks are near", Info, 0},
}

var kindOf = func() map[Code]int {
	m := make(map[Code]int, len(kinds))
	for i, k := range kinds {
		m[k.Code] = i
	}
	return m
}()

// Kinds are all kinds of findings, the most important first.
func Kinds() []Kind { return append([]Kind(nil), kinds...) }

// Condition is something about a node that is so at the moment.
type Condition struct {
	Code Code
	// About tells conditions of one code apart: an interface, an address, what
	// cannot be written. "" = it is about the node.
	About string
	// Text is what was seen, and thereby the cause: one or more sentences.
	Text string
	// Cure is what to do about it.
	Cure string
	// Severity, unless "", is another than that of the kind.
	Severity Severity
}

// Finding is a condition that lasted long enough to be shown.
type Finding struct {
	Code     Code      `json:"code"`
	About    string    `json:"about,omitempty"`
	Title    string    `json:"title"`
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"`
	Cure     string    `json:"cure"`
	Since    time.Time `json:"since,omitzero"` // when the condition began
}

// Healthy reports whether nothing worse than Info is among the findings.
func Healthy(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity != Info {
			return false
		}
	}
	return true
}

// FindingOf makes a finding of a condition without regard to its delay.
func FindingOf(c Condition, since time.Time) Finding {
	k := kinds[kindOf[c.Code]]
	f := Finding{Code: c.Code, About: c.About, Title: k.Title, Severity: k.Severity, Text: c.Text, Cure: c.Cure, Since: since}
	if c.Severity != "" {
		f.Severity = c.Severity
	}
	return f
}
