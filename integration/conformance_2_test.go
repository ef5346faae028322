package integration_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hearsay/apibridge"
	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
)

// The rules of the Gossip API. In most tests node 0 announces, a module at node
// 1 votes, and what it decides shows at node 2, which only node 1 is linked to.

const dataType = 7

// relayed is such a line, with a module that announces, the one that votes, and
// one that sees.
func relayed(t *testing.T, opts ...integration.Option) (c *integration.Cluster, announcer, voter, end *raw) {
	t.Helper()
	c = integration.New(t, 3, append([]integration.Option{integration.Line(), unpaced()}, opts...)...)
	return c, module(t, c, 0), subscriber(t, c, 1, dataType), subscriber(t, c, 2, dataType)
}

// alone expects that a rumor which is announced and vouched for now is the next
// that the last node tells: nothing that was announced before has come through.
func alone(t *testing.T, announcer, end *raw, voters ...*raw) {
	t.Helper()
	announcer.send(announce(0, dataType, "and now this"))
	for _, v := range voters {
		v.vouch("and now this")
	}
	end.vouch("and now this")
}

// ANNOUNCE spreads data as they are to all who asked for their type.
func TestConformance_2_Announce(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	a.send(announce(3, dataType, "\x00data\xff"))
	voter.vouch("\x00data\xff")
	if n := end.next(); n.dataType != dataType || n.data != "\x00data\xff" {
		t.Errorf("told %+v", n)
	}
}

// NOTIFY asks for one type, and data of other types are not told.
func TestConformance_2_Notify(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	a.send(announce(0, dataType+1, "not asked for"))
	alone(t, a, end, voter)
}

// Data of a type that no local module asked for are not forwarded, until one has.
func TestConformance_2_NotifyMakesATypeValid(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, integration.Line(), unpaced())
	a, end := module(t, c, 0), subscriber(t, c, 2, dataType)
	a.send(announce(0, dataType, "too early"))
	c.Await("node 0 to have published", func() bool { return count(c, 0, "published") == 1 })
	end.expectSilence(100 * time.Millisecond)
	voter := subscriber(t, c, 1, dataType)
	voter.vouch("too early") // it is alive, so it is fetched now
	end.expect("too early")
}

// Neighbours do not send such data in the first place; if one does, it is told
// that they are not wanted, and they go nowhere.
func TestConformance_2_UnwantedDataAreNotForwarded(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.OverTCP(), unpaced())
	end := subscriber(t, c, 1, dataType)
	s := newStranger(t)
	s.link(addressOf(c, 0))
	r := seal(t, s.id, gossip.Header{
		Kind: gossip.KindEvent, Origin: gossip.PeerID(s.id.ID()), Epoch: 1, Seq: 1, DataType: dataType,
	}, []byte("unwanted"), integration.DefaultDifficulty)
	if v := s.tell(c.Node(0).ID(), r); v != gossip.VerdictUnwanted {
		t.Errorf("the verdict is %d", v)
	}
	module(t, c, 0).send(announce(0, dataType, "wanted"))
	end.vouch("wanted")
}

// count is a counter of a node.
func count(c *integration.Cluster, i int, name string) uint64 {
	return c.Node(i).Running().Status().Counters[name]
}

// Only what a module calls well-formed is forwarded.
func TestConformance_2_Validation(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	a.send(announce(0, dataType, "well-formed"))
	n := voter.expect("well-formed")
	end.expectSilence(100 * time.Millisecond)
	voter.send(validation(n.id, 1))
	end.expect("well-formed")
}

// ANNOUNCE by a module that never sent NOTIFY is accepted; a node that is told to
// be strict closes the connection.
func TestConformance_2_AnnounceWithoutNotify(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced(), integration.WithAPI(func(i int, o *apibridge.Options) { o.StrictAnnounce = i == 1 }))
	here, there := subscriber(t, c, 0, dataType), subscriber(t, c, 1, dataType)
	module(t, c, 0).send(announce(0, dataType, "taken"))
	here.vouch("taken")
	there.vouch("taken")

	m := module(t, c, 1)
	m.send(announce(0, dataType, "refused"))
	m.expectClosed()
	m = module(t, c, 1)
	m.send(notify(dataType+1), announce(0, dataType, "with NOTIFY"))
	here.vouch("with NOTIFY")
	there.vouch("with NOTIFY")
}

// Other modules of the same node are told of an ANNOUNCE, the announcer is not.
func TestConformance_2_LocalModulesAreTold(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, unpaced())
	a, b := subscriber(t, c, 0, dataType), subscriber(t, c, 0, dataType)
	for i := range 10 {
		a.send(announce(0, dataType, fmt.Sprint("a", i)))
		b.vouch(fmt.Sprint("a", i))
		b.send(announce(0, dataType, fmt.Sprint("b", i)))
		a.vouch(fmt.Sprint("b", i)) // and not a's own
	}
}

// An ANNOUNCE leaves at once, whatever local modules say to it, and what they say
// is taken without complaint.
func TestConformance_2_LocalModulesNeedNotValidate(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	a, silent, refuses, there := module(t, c, 0), subscriber(t, c, 0, dataType), subscriber(t, c, 0, dataType), subscriber(t, c, 1, dataType)
	for i := range 3 {
		text := fmt.Sprint(i)
		a.send(announce(0, dataType, text))
		there.vouch(text)
		silent.expect(text)
		refuses.send(validation(refuses.expect(text).id, 0))
	}
}

// With several subscribers all of them have to say valid, and one invalid drops.
func TestConformance_2_SeveralSubscribers(t *testing.T) {
	t.Parallel()
	c, a, x, end := relayed(t)
	y := subscriber(t, c, 1, dataType)
	for name, votes := range map[string][2]byte{"both": {1, 1}, "first only": {1, 0}, "second only": {0, 1}, "none": {0, 0}} {
		a.send(announce(0, dataType, name))
		x.send(validation(x.expect(name).id, votes[0]))
		y.send(validation(y.expect(name).id, votes[1]))
		if votes == [2]byte{1, 1} {
			end.vouch(name)
		}
	}
	// One valid alone is not enough.
	a.send(announce(0, dataType, "pending"))
	x.vouch("pending")
	n := y.expect("pending")
	end.expectSilence(100 * time.Millisecond)
	y.send(validation(n.id, 1))
	end.vouch("pending")
	alone(t, a, end, x, y)
}

// briefVote is how long modules may take to vote where a test lets them fail to.
// It is also how long the test may be held up in between.
func briefVote() integration.Option {
	return settings(func(cfg *node.Config) { cfg.ValidationTimeout = 4 * time.Second })
}

// Without a VALIDATION data are given up after a while: not forwarded, nothing
// kept of them, and the connection stays.
func TestConformance_2_NoValidation(t *testing.T) {
	t.Parallel()
	c, a, voter, end := relayed(t, briefVote())
	a.send(announce(0, dataType, "no answer"))
	n := voter.expect("no answer")
	c.Await("the vote to time out", func() bool { return count(c, 1, "votes_timed_out") == 1 })
	if st := c.Node(1).Running().Status(); st.Held+st.Rumors != 0 {
		t.Errorf("%d rumors are held and %d kept", st.Held, st.Rumors)
	}
	voter.send(validation(n.id, 1)) // too late
	alone(t, a, end, voter)
}

// A subscriber that leaves withdraws its vote: what others vouch for goes on.
func TestConformance_2_SubscriberLeavesWhilePending(t *testing.T) {
	t.Parallel()
	c, a, stays, end := relayed(t, settings(func(cfg *node.Config) { cfg.Replay = 0 }))
	for _, order := range []string{"before the other votes", "after it"} {
		leaves := subscriber(t, c, 1, dataType)
		a.send(announce(0, dataType, order))
		leaves.expect(order)
		n := stays.expect(order)
		if order == "after it" {
			stays.send(validation(n.id, 1))
			end.expectSilence(50 * time.Millisecond)
		}
		leaves.Close()
		c.AwaitModules(1, 1)
		if order != "after it" {
			end.expectSilence(50 * time.Millisecond)
			stays.send(validation(n.id, 1))
		}
		end.vouch(order)
	}
}

// When the only subscriber leaves, nobody has vouched, so nothing is forwarded.
func TestConformance_2_OnlySubscriberLeavesWhilePending(t *testing.T) {
	t.Parallel()
	c, a, leaves, end := relayed(t, briefVote(), settings(func(cfg *node.Config) { cfg.Replay = 0 }))
	a.send(announce(0, dataType, "left open"))
	leaves.expect("left open")
	leaves.Close()
	c.Await("the vote to time out", func() bool { return count(c, 1, "votes_timed_out") == 1 })
	alone(t, a, end, subscriber(t, c, 1, dataType))
}

// When it comes back in time it is told again, also what is older than Replay.
func TestConformance_2_OnlySubscriberComesBack(t *testing.T) {
	t.Parallel()
	c, a, leaves, end := relayed(t, settings(func(cfg *node.Config) { cfg.Replay = 0 }))
	a.send(announce(0, dataType, "left open"))
	leaves.expect("left open")
	leaves.Close()
	c.AwaitModules(1, 0)
	back := subscriber(t, c, 1, dataType)
	back.vouch("left open")
	end.vouch("left open")
	alone(t, a, end, back)
}

// VALIDATIONs with an unknown, foreign or repeated ID are ignored, the connection
// stays, and the first word counts.
func TestConformance_2_StrayValidations(t *testing.T) {
	t.Parallel()
	c, a, voter, end := relayed(t)
	other := subscriber(t, c, 1, dataType+1)
	voter.send(validation(0, 1), validation(1, 0), validation(0xffff, 1))
	a.send(announce(0, dataType, "first"))
	n := voter.expect("first")
	other.send(validation(n.id, 0)) // which was never told it
	other.send(announce(0, dataType+2, "still here"))
	c.Await("node 1 to have taken it", func() bool { return c.Node(1).APIStats().Announces == 1 })
	voter.send(validation(n.id, 1), validation(n.id, 0), validation(n.id, 1))
	end.vouch("first")
	a.send(announce(0, dataType, "second"))
	m := voter.expect("second")
	voter.send(validation(n.id, 1), validation(m.id, 0), validation(m.id, 1))
	alone(t, a, end, voter)
	if s := c.Node(1).APIStats(); s.Strays != 8 || s.Validations != 3 {
		t.Errorf("%d VALIDATIONs were ignored and %d taken, want 8 and 3", s.Strays, s.Validations)
	}
}

// V = 0 drops the data and nothing else: the neighbour that brought them stays,
// however often that happens.
func TestConformance_2_InvalidDropsOnly(t *testing.T) {
	t.Parallel()
	c, a, voter, end := relayed(t)
	for i := range 50 { // a neighbour is cut off after 20 rumors that are really bad
		text := fmt.Sprint("stale ", i)
		a.send(announce(0, dataType, text))
		voter.send(validation(voter.expect(text).id, 0))
	}
	alone(t, a, end, voter)
	if n := count(c, 1, "voted_down"); n != 50 {
		t.Errorf("%d rumors were voted down", n)
	}
	if n := count(c, 1, "misbehaviour") + count(c, 0, "misbehaviour"); n != 0 {
		t.Error("a neighbour was cut off")
	}
}

// V is the lowest bit.
func TestConformance_2_ValidityBit(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	for _, v := range []byte{0, 1, 2, 3, 0x80, 0x81, 0xfe, 0xff} {
		text := fmt.Sprintf("%#x", v)
		a.send(announce(0, dataType, text))
		voter.send(validation(voter.expect(text).id, v))
		if v&1 == 1 {
			end.vouch(text)
		}
	}
	alone(t, a, end, voter)
}

// Message IDs look random, and no two that are open on a connection are the same.
func TestConformance_2_MessageIDs(t *testing.T) {
	t.Parallel()
	const n = 3000
	c := integration.New(t, 1, unpaced(), settings(func(cfg *node.Config) { cfg.DifficultyBits, cfg.CacheSize = 0, 2*n }))
	a, x, y := module(t, c, 0), subscriber(t, c, 0, dataType), subscriber(t, c, 0, dataType)
	go func() {
		for i := range n {
			a.Write(announce(0, dataType, fmt.Sprint(i)))
		}
	}()
	var ids [2][]uint16
	for i := range n {
		ids[0] = append(ids[0], x.expect(fmt.Sprint(i)).id)
		ids[1] = append(ids[1], y.expect(fmt.Sprint(i)).id)
	}
	for _, ids := range ids {
		rising := 0
		for i := 1; i < n; i++ {
			if ids[i] > ids[i-1] {
				rising++
			}
		}
		if rising < n/3 || rising > n*2/3 {
			t.Errorf("%d of %d IDs are greater than the one before", rising, n)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != n {
			t.Error("an ID stands for two open NOTIFICATIONs")
		}
	}
	if slices.Equal(ids[0], ids[1]) {
		t.Error("two connections have the same IDs")
	}
}

// TTL = 1 reaches the direct neighbours, who do not forward.
func TestConformance_2_TTLOne(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t, settings(func(cfg *node.Config) { cfg.AntiEntropy = 50 * time.Millisecond }))
	a.send(announce(1, dataType, "neighbours only"))
	voter.vouch("neighbours only")
	end.expectSilence(300 * time.Millisecond) // also by anti-entropy
	alone(t, a, end, voter)
	a.send(announce(2, dataType, "two hops"))
	voter.vouch("two hops")
	end.expect("two hops")
}

// TTL = 0 is unlimited and stays so on every hop.
func TestConformance_2_TTLZero(t *testing.T) {
	t.Parallel()
	const n = 6
	c := integration.New(t, n, integration.Line(), unpaced())
	var modules []*raw
	for i := range n {
		modules = append(modules, subscriber(t, c, i, dataType))
	}
	modules[0].send(announce(0, dataType, "far"), announce(3, dataType, "three"), announce(0, dataType, "farther"))
	for hops, m := range modules[1:] {
		m.vouch("far")
		if hops < 3 {
			m.vouch("three")
		}
		m.vouch("farther")
	}
}

// Sending NOTIFY again changes nothing.
func TestConformance_2_DuplicateNotify(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	voter.send(notify(dataType), notify(dataType))
	end.send(notify(dataType), notify(dataType))
	for i := range 3 {
		text := fmt.Sprint("once ", i)
		a.send(announce(0, dataType, text))
		voter.vouch(text)
		end.vouch(text)
	}
}

// Data may be empty.
func TestConformance_2_EmptyData(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	a.send(announce(0, dataType, ""))
	voter.vouch("")
	end.vouch("")
	alone(t, a, end, voter)
}

// The same bytes announced twice are two rumors.
func TestConformance_2_SameBytesTwice(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	a.send(announce(0, dataType, "again"), announce(0, dataType, "again"))
	for range 2 {
		voter.vouch("again")
		end.vouch("again")
	}
	alone(t, a, end, voter)
}
