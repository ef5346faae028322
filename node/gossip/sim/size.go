package sim

import (
	"fmt"
	"math/bits"

	"hearsay/node/gossip"
)

// FrameSize is how many bytes a message takes on a stream of the real node, its
// length included. It repeats what package wire encodes, which the simulator
// must not import; a test over there holds it to that.
func FrameSize(m gossip.Message) int {
	switch m := m.(type) {
	case *gossip.Push:
		n := rumorSize(m.Rumor, m.Hops)
		if m.Rooted {
			n += 2
		}
		if m.Landmark != 0 {
			n += 9
		}
		return frame(n)
	case *gossip.Fill:
		return frame(rumorSize(m.Rumor, m.Hops))
	case *gossip.Interests:
		n := 0
		for _, t := range m.Types {
			n += varint(uint64(t))
		}
		n = chunkField(n)
		if m.Carries {
			n += 2
		}
		return frame(n)
	case *gossip.Receipt:
		return frame(chunkField(len(m.Verdicts)))
	case *gossip.Ping:
		return frame(numberField(m.Number))
	case *gossip.Pong:
		return frame(numberField(m.Number))
	case *gossip.Bye:
		return frame(numberField(uint64(m.Reason)))
	case *gossip.PeersRequest:
		return frame(recordsSize(m.Records))
	case *gossip.PeerList:
		return frame(recordsSize(m.Records))
	case *gossip.Sync:
		return frame(syncSize(m))
	case *gossip.Want:
		return frame(idsSize(m.Group, m.IDs))
	case *gossip.Have:
		n := numberField(uint64(m.Group)) + chunkField(len(m.IDs)*shortID) + chunkField(2*len(m.Held)) + chunkField(nearSize*len(m.Near))
		if m.Ask {
			n += 2
		}
		return frame(n)
	case *gossip.Graft:
		return frame(numberField(uint64(m.Group)) + chunkField(len(m.IDs)*shortID) + chunkField(len(m.Origins)*shortID))
	}
	panic(fmt.Sprintf("sim: no size for a %T", m))
}

// nearSize is the size of one gossip.Near.
const nearSize = 8 + 4 + 2 + 1

const shortID = len(gossip.ShortID{})

// frame is the size of a frame with a message of n bytes: the frame's length,
// the kind's tag, the message.
func frame(n int) int { return counted(1 + counted(n)) }

// counted is n bytes and their number before them.
func counted(n int) int { return varint(uint64(n)) + n }

// varint is the size of a number, seven bits to a byte.
func varint(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// numberField and chunkField are the sizes of fields, which are left out when empty.
func numberField(n uint64) int {
	if n == 0 {
		return 0
	}
	return 1 + varint(n)
}

func chunkField(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + counted(n)
}

func rumorSize(r *gossip.Rumor, hops uint8) int {
	n := chunkField(len(r.Signed)) + chunkField(len(r.Signature)) + chunkField(len(r.PublicKey)) + numberField(uint64(hops))
	if r.Nonce != 0 {
		n += 9
	}
	return n
}

func idsSize(g gossip.Group, ids []gossip.RumorID) int {
	return numberField(uint64(g)) + chunkField(len(ids)*len(gossip.RumorID{}))
}

func syncSize(m *gossip.Sync) int {
	n := numberField(uint64(m.Group)) + numberField(uint64(m.Floor))
	var from int64
	for i := range m.Ranges {
		r := &m.Ranges[i]
		size := numberField(uint64(r.Mode)) + chunkField(len(r.IDs)*len(gossip.RumorID{}))
		if i < len(m.Ranges)-1 {
			end := len(r.End.ID)
			for end > 0 && r.End.ID[end-1] == 0 {
				end--
			}
			size += numberField(uint64(r.End.Created-from)) + chunkField(end)
		}
		if r.Mode == gossip.RangeFingerprint {
			size += 1 + counted(len(r.Fingerprint))
		}
		n += 1 + counted(size)
		from = r.End.Created
	}
	return n
}

func recordsSize(records []gossip.PeerRecord) (n int) {
	for i := range records {
		n += 1 + counted(len(records[i].Bytes))
	}
	return n
}
