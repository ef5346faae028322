package gossip

// Group is a set of rumors that two nodes compare as a whole: everything alive of
// one data type, the presences, or what everybody carries (carried.go).
type Group uint32

const (
	// GroupPresence holds the newest presence of every node.
	GroupPresence Group = 1<<16 + iota
	// GroupPrivate holds the private rumors of data type 0.
	GroupPrivate
	// GroupState holds the newest state rumors of data type 0.
	GroupState

	// MaxGroup is the last group.
	MaxGroup = GroupState
)

// GroupOf is the group of a data type's rumors.
func GroupOf(dataType uint16) Group { return Group(dataType) }

// groupOf is the group that a rumor is in.
func groupOf(r *Rumor) Group {
	switch {
	case r.Kind == KindPresence:
		return GroupPresence
	case r.Kind == KindPrivate && r.DataType == 0:
		return GroupPrivate
	case r.Kind == KindState && r.DataType == 0:
		return GroupState
	}
	return GroupOf(r.DataType)
}

// Valid reports whether g is one of the groups.
func (g Group) Valid() bool { return g <= MaxGroup }

// Point is a place in the order in which reconciliation walks a group: by
// creation, then by ID.
type Point struct {
	Created int64 // Unix milliseconds
	ID      RumorID
}

// RangeMode says what a Range tells of its rumors.
type RangeMode uint8

const (
	// RangeSkip: nothing to say.
	RangeSkip RangeMode = iota
	// RangeFingerprint: Fingerprint sums up the sender's rumors in the range.
	RangeFingerprint
	// RangeIDs: IDs lists all of the sender's rumors in the range.
	RangeIDs
)

// Fingerprint is the first half of SHA-256 over the sum of a range's IDs and
// their number.
type Fingerprint [16]byte

// Range is a part of a group's order: from where the previous Range of the
// message ended (or the beginning) up to End, exclusive. The last Range of a
// message has the zero Point as End and reaches to the end of the order.
type Range struct {
	End         Point
	Mode        RangeMode
	Fingerprint Fingerprint // RangeFingerprint
	IDs         []RumorID   // RangeIDs: in the group's order
}
