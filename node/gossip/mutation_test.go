package gossip_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// mutation switches off one defence: in a copy of a file an old text becomes a
// new one, and then some test must fail.
type mutation struct {
	defence  string
	file     string
	old, new string
	fails    string // the test that notices
}

var mutations = []mutation{
	{"the signature is checked", "push.go", "case !s.cfg.Verifier.Signature(r):", "case false:", "TestInvalidCutsOff"},
	{"the proof of work is checked", "push.go", "case !s.cfg.Verifier.Work(r.ID, r.Nonce):", "case false:", "TestPushVerdicts"},
	{"no number is told twice", "push.go", "	case s.windows.seen(r):\n", "	case false:\n", "TestPushReplays"},
	{"local modules need not wait for the seal", "publish.go", "	told := s.tellOwn(p)\n", "	told := false\n", "TestToldBeforeSealing"},
	{"no own rumor is told twice", "modules.go", "sub.number > p.told", "sub.number > 0", "TestToldAtSealing"},
	{"nor by another number", "publish.go", "			told:     p.told,\n", "", "TestToldOnceByTwoNumbers"},
	{"what has expired is refused", "push.go", "	case r.Expires <= now:\n		s.count.Expired++\n		return VerdictStale\n	case !s.takesPart", "	case !s.takesPart", "TestPushVerdicts"},
	{"what is dated ahead is refused", "push.go", "return r.Created > now+MaxSkew.Milliseconds()", "return false", "TestPushVerdicts"},
	{"other networks' rumors are refused", "push.go", "case r.Network != s.cfg.Network:", "case false:", "TestPushVerdicts"},
	{"a limited rumor is flooded again so often", "push.go", "	case e.fewer < e.hops:\n", "	case false:\n", "TestTTLShorterAndShorter"},
	{"what could not be asked for any more is offered again", "link.go", "	s.withdrawUnwanted(l)\n", "", "TestOfferedAndDropped"},
	{"no rumor goes back to where it came from", "push.go", "	e.holders.set(l.slot)\n	s.store.add(e)\n	s.scheduleExpiry(r)\n	s.count.Accepted++", "	s.store.add(e)\n	s.scheduleExpiry(r)\n	s.count.Accepted++", "TestNoEcho"},
	{"a late receipt has others carry the rumor", "push.go", "			s.spread(e) // to whoever lacks it; this link still counts as a holder\n", "", "TestLateReceipt"},
	{"who sends invalid rumors is cut off", "push.go", "!l.meter.invalid.take(s.now, maxInvalid, invalidPause)", "false", "TestInvalidCutsOff"},
	{"and who sends what cannot be read", "link.go", "		s.cutOff(l, \"broke the protocol\")\n", "		_ = l\n", "TestBrokeCutsOff"},
	{"only what there is room for is held", "store.go", "return st.held < maxHeld && st.heldBytes+r.Size() <= maxHeldBytes", "return true", "TestPushBusy"},
	{"a newer version supersedes", "store.go", "return old != nil && !r.version().newer(old.version())", "return old != nil && false", "TestPushState"},
	{"a full store evicts", "store.go", "for sh.kept > sh.limit || sh.keptBytes > sh.limitBytes {", "for false {", "TestEvictedStayAway"},
	{"a rumor that was heard of is asked for", "lazy.go", "		s.schedule(taskGraft, mi.at)\n", "", "TestTreeMends"},
	{"who names a wrong group hides no rumor", "lazy.go", "		key := missingKey{m.Group, short}\n", "		key := missingKey{0, short}\n", "TestMissingInAnotherGroup"},
	{"a duplicate makes a link lazy", "prune.go", "		l.lazy[g] = true\n", "", "TestCliqueBecomesTree"},
	{"what was never here prunes nothing", "prune.go", "	case e == nil && s.mayBeAnother(m.Rumor):\n		return VerdictKnown", "	case false:\n		return VerdictKnown", "TestNeverHerePrunesNothing"},
	{"nor what is not looked at as a twin", "prune.go", "	if s.store.numbers[numberOf(r)] != nil {\n", "	if false {\n", "TestNeverHerePrunesNothing"},
	{"but what is gone again does", "prune.go", "	w := s.windows.find(r)\n	return w != nil && w.closed()\n", "	return true\n", "TestNeverHerePrunesNothing"},
	{"and it goes on when its origin has equivocated", "prune.go", "two.number == numberOf(r) && ", "", "TestNeverHerePrunesNothing"},
	{"a number that two have prunes nothing when they are gone, either", "prune.go", "two.number == numberOf(r)", "!known", "TestNeverHerePrunesNothing"},
	{"nor what is only remembered", "reconcile.go", "filled: true, probe: true", "probe: true", "TestNeverHerePrunesNothing"},
	{"what other rumors need is not pruned", "prune.go", "	case s.needed(l, g, twice):\n", "	case false:\n", "TestTreesOutliveBursts"},
	{"a pruned way of a rumor is taken back", "prune.go", "	put(&l.needed, g, s.now)\n	delete(l.lazy, g)\n", "	put(&l.needed, g, s.now)\n", "TestPrunedWayIsTakenBack"},
	{"a newcomer chooses its neighbours itself", "takers.go", "		links -= came\n", "		_ = came\n", "TestNewcomerChooses"},
	{"who told of a rumor gets no copy", "lazy.go", "			holders.set(l.slot)\n		}\n	}\n	s.forgetMissing(mi)", "			_ = l.slot\n		}\n	}\n	s.forgetMissing(mi)", "TestTellerGetsNoCopy"},
	{"what a tree will bring is not asked for", "lazy.go", " && !s.broughtUnasked(l, m.Group) {", " {", "TestOfferedLarge"},
	{"large rumors are not watched", "rooted.go", " || r.Size() > largeRumor {", " {", "TestLargeHasNoTree"},
	{"stores are compared now and then", "comparison.go", "		s.syncWith(l)\n		for _, t := range s.interests() {", "		for _, t := range s.interests() {", "TestAntiEntropyInterval"},
	{"who has news does not keep the turn", "comparison.go", "		c.wait(c.peer)\n	}\n	if c.peer != c.gaveWay", "		c.queue = slices.Insert(c.queue, 0, c.peer)\n	}\n	if c.peer != c.gaveWay", "TestNewsDoNotKeepTheTurn"},
	{"nobody gives way twice in a row", "reconcile.go", ` || c.gaveWay != "" {`, " {", "TestGivingWayInTurn"},
	{"a comparison sends only so much", "reconcile.go", "if l.fillBudget < r.Size() {", "if false {", "TestFillBudget"},
	{"presences do not go back", "presence.go", "case m != nil && !r.version().newer(m.r.version()):", "case false:", "TestRejoin"},
	{"a later epoch of one's own is exceeded", "copied.go", "	s.do(RaiseEpoch{s.laterEpoch})\n", "", "TestLaterEpochElsewhere"},
	{"of two that dial each other one waits", "view.go", "			c.next = later(c.next, s.now.Add(s.courtesy()))\n", "", "TestCourtesy"},
	{"takers of a rare type find each other", "takers.go", "	if len(missing) == 0 {\n		return\n	}\n", "	return\n", "TestTakersAreFound"},
	{"silent takers of a rare type are not relied on", "look.go", "		s.lookFor(rare[s.cfg.Rand.IntN(len(rare))])\n", "", "TestLooksForMoreTakers"},
	{"what has come to the end of its way is not compared", "store.go", "		if !st.entries[p.ID].arrived() {", "		if true {", "TestLastHopIsNotCompared"},
	{"one neighbour may tell only so much", "intake.go", " && l.meter.rumors.takeN(cost, s.now, neighbourBurst, neighbourPause) {", " {", "TestNeighbourIntake"},
	{"all neighbours may tell only so much", "intake.go", "s.intake.all.has(cost, s.now, intakeBurst, intakePause) && ", "", "TestTotalIntake"},
	{"each origin has its turn in a flood", "intake.go", "		return byOrigin\n", "		return putOff\n", "TestNeighbourIntake"},
	{"forgers do not use up the turns of others", "intake.go", "		return byOrigin\n", "		s.pay(byOrigin, r)\n		return byOrigin\n", "TestForgedRumorTakesNoTurn"},
	{"who makes up rumors does not use up another's rate", "carried.go", "rate.has(1, s.now, carriedBurst, carriedPause)", "rate.take(s.now, carriedBurst, carriedPause)", "TestMadeUpTakesNoRate"},
	{"a neighbour may tell of only so many unheard-of origins", "intake.go", "if l.meter.origins.take(s.now, strangersBurst, strangersPause) {", "if true {", "TestUnheardOfOrigins"},
	{"to come again gives no new allowance", "allowance.go", "			s.meters[p] = m\n", "			_ = p\n", "TestUnheardOfOrigins"},
	{"a presence that was compared prunes nothing", "prune.go", " || g == GroupPresence && s.compared(m.Rumor):", ":", "TestComparedPresencePrunesNothing"},
	{"presences of one node are taken so often", "presence.go", "case m != nil && !m.renewals.has(1, s.now, renewalBurst, renewalPause):", "case false:", "TestPresenceFlood"},
	{"a rumor is given again so often", "reconcile.go", "if holders.has(l.slot) && !l.mayResend(id, s.now) {", "if false {", "TestResends"},
	{"to replace what one said gives no new allowance", "carried.go", "sh.rates[r.Origin] == nil {", "true {", "TestCarriedRateOutlivesRumors"},
	{"who signs two rumors with one number is noticed", "push.go", "		s.heedTwin(l, r)\n", "", "TestEquivocation"},
	{"who fills the store makes room", "fair.go", "if _, p := sh.greediest(); p != nil {", "if _, p := sh.greediest(); p != nil && false {", "TestFairEviction"},
	{"only so many bytes of proofs are kept", "twofaced.go", "for st.proofBytes > maxProofBytes ||", "for", "TestProofsAreBounded"},
	{"an old version of a state brings nothing back", "twofaced.go", "if s.store.outdated(r) {", "if false {", "TestOldTwinBringsNothingBack"},
	{"nor takes it the place of what waits for votes", "store.go", "e.state == held || newest.version()", "newest.version()", "TestTwinOfHeldState"},
	{"nor does what is only remembered", "reconcile.go", "s.store.outdated(r)", "false", "TestHeldStateStaysWhenALaterOneIsRemembered"},
	{"nor that of a proof", "store.go", " || e.proof && newest.version() == r.version()", "", "TestTwinOfRefusedState"},
	{"the twin of a state is remembered", "reconcile.go", "s.store.outdated(r)", "s.store.superseded(r)", "TestTwinOfHeldState"},
	{"a number counts as seen while a twin lives", "reconcile.go", "	s.windows.mark(r) // it", "	// it", "TestNumberOutlivesTwins"},
	{"what cannot be remembered is not looked at", "twofaced.go", "	if !s.twofacedRoom() {\n		return\n	}\n", "	s.twofacedRoom()\n", "TestFullTableChecksNoTwins"},
	{"IDs are remembered within the intake", "reconcile.go", "	admission := s.admit(l, r)\n	if admission == putOff {", "	admission := s.admit(l, r)\n	if false {", "TestNothingIsLookedAtBeyondTheIntake"},
	{"two nodes with one hostkey fight slowly", "copied.go", "	return s.copied.dialled.Add(copyDialPause)\n", "	return time.Time{}\n", "TestCopyDialsSlowly"},
	{"dead links are given up", "link.go", "case !l.pinged.IsZero() && s.now.Sub(l.pinged) >= pingDead-pingInterval:", "case false:", "TestDeadLink"},
	{"the DHT does not choose the neighbours", "dhtshare.go", "case c.source != SourceKademlia || n < s.dhtLinks():", "case true:", "TestDHTIsOneSourceOfMany"},
	{"nor whom neighbours are swapped for", "shuffle.go", "c.source == SourceKademlia && dht >= s.dhtLinks() {", "dht < 0 {", "TestDHTInSwaps"},
	{"what cannot be counted is estimated", "estimate.go", "if unknown > 0 ||", "if false ||", "TestSizeEstimated"},
	{"relayed links carry little", "relayed.go", "return !l.relayed || r.Size() <= relayedRumor", "return true", "TestRelayedLinksCarryLittle"},
	{"relayed links are a stopgap", "relayed.go", "	direct := s.directLinks()\n	return direct < fewDirect && len(s.links)-direct < maxRelayed", "	return true", "TestRelayedLinksAreAStopgap"},
	{"ways to landmarks make no circles", "distance.go", " || !fresh && o.distance >= t.least {", " {", "TestNearestWay"},
	{"who stops taking a type leaves its trees", "link.go", "			s.groveLoses(v, l) // it hands nothing of this on any more\n", "", "TestWayByWhoStopsTaking"},
	{"and no other's", "link.go", "			s.groveLoses(v, l) // it hands nothing of this on any more\n", "			s.treesLose(l)\n", "TestWayByWhoStopsTaking"},
	{"who is missed for a moment keeps its tree", "landmark.go", "gone := t.missed && !listed", "gone := !listed", "TestMissedLandmark"},
	{"but nobody begins to use it", "landmark.go", ">= treeReady && !t.missed", ">= treeReady", "TestMissedLandmark"},
	{"a next hop that planted its tree again is told of its child", "distance.go", "			t.again = true // it may have lost the tree", "			// it may have lost the tree", "TestNextHopIsToldAgain"},
	{"also when another tree is tended meanwhile", "distance.go", "			t.again = true // it may have lost the tree", "			t.told = -1 // it may have lost the tree", "TestNextHopIsToldAgainAmongTrees"},
	{"and who was it before is told that it is none", "distance.go", "			t.again = true // it may have lost the tree", "			t.again, t.told = true, -1 // it may have lost the tree", "TestFormerNextHopIsTold"},
	{"one message tells of so many landmarks", "distance.go", "if len(msg.Near) == MaxNear {", "if false {", "TestAllLandmarksAreTold"},
	{"who does not take a type plants nothing of it", "distance.go", "	if !l.wants(m.Group) {\n		return // nor", "	if false {\n		return // nor", "TestNoGrovesOfWhoDoesNotTake"},
	{"who is a next hop is told until it knows", "push.go", "		l.waysUntold = l.waysUntold || len(m.Near) > 0\n", "", "TestDroppedWaysAreToldAgain"},
	{"no number of a landmark leaps", "distance.go", "int32(d.Number-t.number) > maxAhead", "false", "TestNumberFarAhead"},
	{"nor does that of a landmark that somebody lied to", "landmark.go", "min(t.above-t.number+1, maxAhead)", "t.above - t.number + 1", "TestOwnNumberDoesNotLeap"},
	{"a made-up number ends with the trust in who said it", "distance.go", "known := t.known && !s.forsaken(t)", "known := t.known", "TestMadeUpFirstNumber"},
	{"nobody's number counts who is distrusted", "distance.go", "	return o.known && l != nil && !l.distrusted.After(s.now)\n", "	return o.known && l != nil\n", "TestDistrustedNumber"},
	{"made-up numbers of landmarks are heeded seldom", "distance.go", "if t.known && newest != t.number && t.parent >= 0 && s.now.Sub(t.raised) < numberPause {", "if false {", "TestMadeUpNumbers"},
	{"a landmark uses its own tree", "landmark.go", "		return t.landmark\n", "		_ = t\n", "TestOwnTree"},
	{"who knows no landmarks is pushed to by the shared tree", "landmark.go", "if t == nil || !t.grove.aware.has(l.slot) {", "if t == nil {", "TestUnaware"},
	{"who has lost its way wishes for a number", "distance.go", "if best < 0 && s.now.Sub(t.used) < inUse {", "if false {", "TestWish"},
	{"a new child is told what it may lack", "distance.go", "	if adopted {\n", "	if false {\n", "TestNewChildIsTold"},
	{"who did not bring a rumor is not believed before the next number", "distance.go", "before.failed && before.barren == t.number && !later", "before.failed && !raisedAbove(d.Number, before.number)", "TestBarrenWay"},
	{"who kept a rumor to itself is no next hop", "doubt.go", "l.excuses, l.distrusted = 0, s.now.Add(distrust<<l.faults)", "l.excuses = 0", "TestDoubt"},
	{"one Receipt is one excuse", "push.go", "if p.up && !excused {", "if p.up || p.up && !excused {", "TestDoubtOncePerReceipt"},
	{"who was only slower is acquitted", "prune.go", "		l.acquit(m.Rumor.ID)\n", "", "TestDoubt"},
	{"a long round trip is not believed at once", "link.go", "trip = l.rtt + (trip-l.rtt)/8", "_ = trip", "TestRoundTripAgain"},
	{"in calm times another link is told, too", "have.go", "u.left == 0 || u.turns >= maxTellTurns", "u.turns > 0", "TestHavesGoTogether"},
	{"nobody is told of types that it takes no more", "have.go", " || !l.wants(msg.Group) {", " {", "TestHavesOfDroppedType"},
	{"what waits is told when the calm ends", "have.go", "			s.tellSome(s.lacking(u), u.have, haveFan-calmFan+u.left)\n", "			_ = u\n", "TestHavesWhenCalmEnds"},
	{"what is gathered goes with a rumor", "state.go", "		s.bringForward()\n", "", "TestEarly"},
	{"but not long before its time", "early.go", "s.receiptDelay()/earlyPart;", "s.receiptDelay();", "TestEarly"},
	{"what no link can gain is not believed at once", "rooted.go", "best <= src.tree.linksTake(src.hops)", "true", "TestBusyWay"},
	{"one accuser is not believed", "suspect.go", "enough := n >= accusersNeeded ||", "enough := n >= 1 ||", "TestAccusers"},
	{"refutations are paced", "suspect.go", "!s.suspects.refuted.IsZero() && next.After(s.now)", "false", "TestRefute"},
	{"who has refuted is left alone", "suspect.go", "case m.safe.After(s.now):", "case false:", "TestRefuteGrace"},
	{"of who sent something invalid nothing is verified beforehand", "foresee.go", "l == nil || !l.meter.invalid.would(maxInvalid, now, maxInvalid, invalidPause)", "l == nil", "TestForeseeForger"},
	{"no more is verified beforehand than limits let in", "foresee.go", "cost := (so + 1) * intakeCost(r)", "cost := intakeCost(r)", "TestForeseeWithinLimits"},
	{"one key has only so many windows", "window.go", "		w.spans, w.before = nil, nil\n		ws.n--\n", "", "TestRunsOfOneOrigin"},
	{"windows without room go by the clock on the wall", "window.go", "	if ws.n >= maxWindows {\n		return wall\n	}\n	return min(", "	return min(", "TestWindowsCap"},
	{"and so does a node whose clock was not set at the start", "state.go", "s.windows.clock(s.millis(), s.first.UnixMilli()+s.now.Sub(s.first).Milliseconds())", "s.first.UnixMilli() + s.now.Sub(s.first).Milliseconds()", "TestFullWindowsExpireByTheWall"},
	{"but only without room", "state.go", "s.windows.clock(s.millis(), s.first.UnixMilli()+s.now.Sub(s.first).Milliseconds())", "s.millis()", "TestFullWindowsExpireByTheWall"},
	{"a leap of the clock forgets no windows", "window.go", "	return min(wall, steady)\n", "	return wall\n", "TestWindowsCap"},
	{"windows keep only so many spans", "window.go", "if len(w.spans) > maxSpans {", "if false {", "TestWindowCloses"},
}

// TestMutations: with any one defence of the core switched off its tests fail.
// All are compiled into one program (schema_test.go), which only runs with HEARSAY_LONG.
func TestMutations(t *testing.T) {
	if os.Getenv("HEARSAY_LONG") == "" {
		t.Skip("compiles the core with all its mutants and runs a test for each: only with HEARSAY_LONG")
	}
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "mutants.test")
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", schema(t, folder, mutations), "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("the mutants do not compile: %s", out)
	}
	var names []string
	for _, m := range mutations {
		names = append(names, m.fails)
	}
	if out, err := mutantTest(program, 0, strings.Join(names, "|")).CombinedOutput(); err != nil {
		t.Fatalf("with every defence on: %s", out)
	}
	work := make(chan int)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range work {
				mutations[i].try(t, program, i+1)
			}
		})
	}
	for i := range mutations {
		work <- i
	}
	close(work)
	group.Wait()
}

// mutantTest is the command that runs some tests of a mutant, 0 = of the core as it is.
func mutantTest(program string, number int, tests string) *exec.Cmd {
	cmd := exec.Command(program, "-test.timeout=2m", "-test.run", "^("+tests+")$", "-rapid.nofailfile")
	cmd.Env = append(os.Environ(), "HEARSAY_LONG=", fmt.Sprint(mutantVar, "=", number))
	return cmd
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

func (m mutation) try(t *testing.T, program string, number int) {
	out, err := mutantTest(program, number, m.fails).CombinedOutput()
	names := failed.FindAllStringSubmatch(string(out), -1)
	switch {
	case err == nil:
		t.Errorf("%s: switched off, and %s passes", m.defence, m.fails)
	case len(names) == 0:
		t.Errorf("%s: the mutant does not run: %s", m.defence, out)
	default:
		t.Logf("%s: %v", m.defence, names)
	}
}
