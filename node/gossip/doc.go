// Package gossip is the core of a Hearsay node: everything that makes gossip
// hard (whom to push to, what to repair, whom to believe, when to give up) as a
// deterministic state machine. Events go in, actions come out. There are no
// sockets, goroutines, clocks or random numbers of its own in it, so the same
// code runs in a simulator of a thousand nodes, bit by bit reproducible, and
// behind the libp2p streams of a real one.
//
//	var out gossip.Actions
//	core, err := gossip.New(cfg)
//	core.Handle(time.Now(), event, &out) // decide
//	for _, a := range out { … }          // carry out
//	timer.Reset(time.Until(core.Deadline()))
//
// # Rumors
//
// A rumor is signed bytes: who says it (origin), in which of its runs (epoch),
// the how manieth there (seq), what kind of thing it is (kind, data type), when
// it was said and until when it is worth telling (created, expires), how many
// links it may travel (TTL), and a payload. Its ID is SHA-256 of these bytes;
// proof of work and signature are made over the ID. Nodes hand the bytes on as
// they got them.
//
// (origin, epoch, seq) is never used twice. So a node can remember what it was
// told as intervals of numbers, for as long as a rumor of that run can be alive,
// and refuse everything else as expired: a replay finds a closed door whether
// the rumor itself is still stored or not.
//
// A rumor that a neighbour brings is checked in order of price: network, known
// ID, seen number, superseded state, expiry, does anybody here want it, is there
// room, clock skew, proof of work, signature. Then it is told to the local
// modules, which vote. Only what they find valid travels on. Module votes,
// time-outs and late subscribers are told in modules.go.
//
// # Spreading
//
// Push is Plumtree (Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees",
// 2007), with one tree per group, that is per data type and one for presences:
//
//   - A link begins eager: full rumors go down it (Push).
//   - A rumor that comes twice makes the link it came by lazy for its group, at
//     both ends. What stays eager is a spanning tree.
//   - Down lazy links go only IDs (Have), gathered for Config.HaveDelay, and of each
//     rumor down a few of them (haveFan). In calm times they are gathered three times as
//     long, and one link at a time is told of all that came (have.go). What is
//     gathered leaves early beside a rumor that travels (early.go).
//   - Who hears of a rumor that then does not come asks for it (Graft), which
//     makes that link eager again: so the tree mends itself.
//   - When a link ends by which news came, others take its place at once, and for two
//     seconds IDs are told and asked for sooner (mend.go). An own rumor goes to somebody
//     in full, whatever became of the tree.
//   - Every Push is answered by one byte of verdict, gathered in Receipts, which
//     go with other messages where they can. A neighbour that is late with it may be
//     dead, so others are offered the rumor without waiting to know.
//   - Where at most 64 members take a type all of them are its landmarks, else 32 of
//     them: these have trees of shortest ways, laid by distances that neighbours tell each
//     other (landmark.go, distance.go), which are nearly as fast as flooding, for a
//     tree's price. README.md has the comparison.
//   - Others that speak often get trees of their own, too, which grow along the fastest
//     ways to them (rooted.go), and who speaks seldom uses the tree of the landmark that
//     is nearest to it.
//   - A rumor of more than 32 KiB is not sent on a guess, so no link ever carries
//     it twice.
//   - A rumor with a TTL is flooded: trees have longer ways than its sender
//     counted on. So are a leave and a refutation (below), which are in a hurry.
//
// Neighbours tell each other which data types they take (Interests), and nothing
// else is sent to them.
//
// Private messages and shared state are carried by everybody, asked for or not, in
// two groups without takers; carried.go has their limits.
//
// Whatever push loses, anti-entropy repairs. Two neighbours compare all that
// they know of a group by range-based set reconciliation (Meyer, "Range-Based
// Set Reconciliation", 2022): a fingerprint of everything, then of smaller and
// smaller ranges where they differ, then IDs, and at last the rumors themselves
// (Fill). Equal sets cost one message each way, d differences O(d log n). It
// runs when a link comes up, when a data type is new, when something could not
// be sent, and every Config.AntiEntropy with the neighbour for which it is longest
// ago. Who learns something that way goes on comparing with its other neighbours
// with probability Config.ContinueMongering (Demers et al., "Epidemic Algorithms
// for Replicated Database Maintenance", 1987).
//
// What a node said in earlier runs comes back to it like anything else that it
// lacks. If that shows a later epoch than its own (its disk was lost, or its
// clock went back), others would take what it says now for old: it publishes
// nothing until it has a later one, and numbers anew what was being sealed.
//
// The transcripts in testdata show all of this message by message.
//
// # Neighbours
//
// Every node announces its presence: a rumor signed by itself with its peer
// record and interests, renewed by Config.Heartbeat or, so that all renewals
// together are ten a second at most, every n/10 s among n, and taken back when it
// leaves. Nobody can speak for another. Presences go to everybody, so every node
// knows all others as long as there are at most maxMembers of them. A node that
// is Quiet announces none.
//
// As in HyParView (Leitão, Pereira, Rodrigues, 2007) there is a small active view of
// links that are watched and replaced, the first at once and others one by one while
// two thirds are left (refillPace), and a larger passive view of candidates to replace
// them from. Links need not be symmetric in who asked for them: everybody dials until
// it has Config.Degree neighbours, half of them of its own choice, and accepts three
// times as many. The passive view is filled by presences and by shuffles: a new
// neighbour, and later a random one every Config.Shuffle, is offered a few peer
// records, the node's own first, and gives others (shuffle.go). A newcomer shuffles
// more often. There is no random walk: a newcomer asks its contact for many peers and
// dials some, and these name it to others.
//
// A sample of 64 peers, uniform over all that was ever heard of whoever talked
// most, is kept beside that (sampler.go; Bortnikov et al., "Brahms", 2009). A
// part of all dials and probes goes to it. Probes see, every fourth shuffle,
// whether a remembered peer is still there.
//
// Three kinds of peers are dialled even by a node that has neighbours enough.
// Those whose link broke without a goodbye may belong to an island that lost
// touch: they are retried for a day. Strangers, who were found by a way that
// does not lead over neighbours (first contacts, the LAN, the DHT, an earlier
// run) and whose presence never came, may belong to one, too; if one has no
// room, those whom it names instead take its place. And for every data type that
// a node takes or announces it wants three neighbours that take it, whom it
// finds by their presences, or is told of by the DHT: only takers relay, so the
// takers of a rare type have to find each other. For these, one Degree more of
// links is accepted. Nothing tells a taker that hands nothing on from one that has
// nothing, so a node goes on looking at others (look.go).
//
// Attackers are many and talk much, but seldom live everywhere. What one
// informant may teach, how fast, and how much of the passive view one informant,
// one network group (groups.go) or one open source may have is bounded. Own
// choices are spread over groups, two of one at most while there are others, and
// are refreshed one by one, so that having been first is worth little. One in
// three of them may come from the DHT (dhtshare.go). Of
// those who come, the group with the most makes room for one with fewer. The two
// oldest neighbours of own choice are dialled first after a restart.
//
// How many nodes there are is counted, and estimated where that cannot be done
// (estimate.go), which is also what a fair draw of one of them rests on.
//
// # Who is alive
//
// A link on which nothing was heard for 5 s is pinged, and given up after 15 s of
// silence. A neighbour whose link ends without a goodbye is dialled at once; if
// that fails too, this node names it as lost in its own presence. As in SWIM (Das,
// Gupta, Motivala, 2002) the accused refutes by a newer presence, for accusations
// are about one presence; and as in Lifeguard (Dadgar, Phillips, Currey, 2017) a
// member that does not is taken for lost after a time-out that is the shorter the
// more accuse it, 3 to 6 s, while a node whose own timers come late doubts itself
// before others. Nobody is lost by the word of one, except in networks of three.
// A lost member is shown as lost, and is a member again as soon as a newer
// presence of it comes. See suspect.go, and suspicion.txt among the transcripts.
//
// # Promises
//
// To modules:
//
//   - A rumor is told to a module at most once.
//   - Nothing of another node is told that has expired, is forged, is of another
//     network, lacks its proof of work, was voted down here before, or was not asked
//     for. What another module of this node announced is told before its proof of
//     work is done; if that fails (Publish), nobody else is told.
//   - A module is told everything of its data types that any node it is
//     connected with through takers of that type knows, that was published with
//     no TTL, and that lives long enough to be compared: however it was lost.
//     The exceptions are rumors that a full store has evicted (the oldest go
//     first), and what modules on all ways to here voted down, or did not vote on
//     within Config.ValidationTimeout.
//   - Of what the node knew before a module subscribed, it is told only the last
//     Config.Replay, and what waits for votes.
//   - A module is never told what it announced itself.
//
// To the node: memory is bounded whatever neighbours send. Every map and queue
// that remote input can make grow has a cap, and what does not fit is counted
// in Counters:
//
//	Config.CacheSize, CacheBytes   rumors kept; the oldest are evicted
//	maxPrivate…, maxState…         the same for what everybody carries
//	privateShare…, stateShare…     and for one origin's; its oldest are evicted
//	carriedBurst                   of these, what one origin may push at once; as many origins as windows
//	maxHeld, maxHeldBytes          rumors that wait for votes; more are put off (VerdictBusy)
//	maxRefused                     IDs of rumors voted down; the oldest are forgotten
//	maxWindows, maxRuns, maxSpans  remembered runs of nodes, of one node, and intervals in each
//	maxMembers, maxRoutes          presences; more are put off. The ways to their origins
//	maxAccusers, MaxLost           accusers remembered per member, and nodes that one presence accuses
//	maxRedials                     lost neighbours that are dialled again soon
//	maxMissing, maxTellers         rumors heard of, and who told; the rest is left to anti-entropy
//	maxSources                     origins with a tree of their own; the silent go by the shared one
//	maxGroves, maxHeeded           types that have landmarks, and the landmarks of each; twice as many while they change
//	maxUnanswered, offeredIDs      pushes without a verdict on one link, and rumors that it may ask for
//	maxCandidates, maxBanned       peers that could be dialled, or must not come
//	maxCallers                     peers that came, from whom the size is estimated
//	MaxTakes                       data types that others say a candidate takes
//	maxPauses                      forgotten peers that must not be dialled yet
//	maxLost                        lost neighbours that are retried for a day
//	maxMeters, informantBurst      peers whose talk is counted, and what each may say of others
//	neighbourBurst, intakeBurst    new rumors that a neighbour may tell at once, and all of them
//	strangersBurst, maxTurns       and of unheard-of origins; origins that are served in turn
//	renewalBurst                   presences of one node at once
//	maxResent, maxResends          rumors that a neighbour is given again, and how often
//	maxTwofaced, maxProofBytes     origins remembered to have equivocated, and the proofs
//	greedyShare                    of a full store, for one origin
//	samplerSlots                   peers in the sample
//	maxDials                       dials under way
//	maxPending                     own rumors that are being sealed; more are refused (ErrBusy)
//	maxModules                     local modules
//	acceptFactor + 1               links, times Config.Degree
//	MaxInterests … MaxIDs          what one message holds (message.go); MaxPresence, what a presence does
//	fillBurst, fillRate            what anti-entropy may send down one link
//
// # The driver's duties
//
// A State decides and trusts its driver to do. The driver
//
//  1. calls Handle from one goroutine at a time, with the time that time.Now
//     gives: the monotonic reading must not run backwards, the wall clock may.
//     The wall clock stamps rumors and expires them, the monotonic one does all
//     else.
//  2. carries out all actions of one Handle, in their order, before the next.
//     Messages are shared between links and immutable, and so are rumors.
//  3. sends a Tick when Deadline has come and no other event came first, and
//     looks at Deadline again after every Handle.
//  4. keeps the messages of a link in order, except that urgent ones overtake.
//     Streams of their own for anti-entropy (Sync, Want, Fill) and for peer
//     lists are allowed: order matters only within each of the three.
//  5. never blocks in a Send. What does not fit into the link's queue comes back
//     as SendDropped, after the actions of the same Handle and before any other
//     event: then receipts still count the same pushes at both ends.
//  6. gives LinkUp when both sides can send and have greeted each other, then
//     Received in order, then Broke if the peer broke the protocol, then exactly
//     one LinkDown; these may be left out after a Hangup. The LinkDown of one link
//     comes before the LinkUp of the next one with the same peer.
//  7. gives Received only what has passed the caps in message.go: rumors from
//     ParseRumor, ranges whose last one reaches to the end, peer records in a
//     PeerList or PeersRequest whose signature is good.
//  8. answers every Dial with LinkUp or DialFailed. A LinkUp that came of the
//     other side's dial is an answer too; a DialFailed after it is ignored.
//     To a Dial with Probe it answers Reached or DialFailed.
//  9. works off Seals one after the other in their order and answers each with
//     Sealed (the same rumor, or a copy of it, with nonce, signature and if need
//     be public key) or SealFailed. An urgent one may make those before it fail,
//     and one that goes ahead is next.
//  10. starts a State with an epoch that is larger than any before and that is on
//     disk (synced, not just written), and answers RaiseEpoch with EpochRaised
//     once a larger epoch than the one named is on disk: not before, and not at
//     all while the disk refuses. Unix milliseconds are good epochs, if they are
//     larger: the epoch that was heard of need not be the last one used.
//  11. hands Deliver to its module and the module's word back as Vote. A module
//     that is gone is told by ModuleGone; its ModuleID never comes again, and 0
//     is nobody's.
//  12. says SelfRecord at the start and whenever addresses change: a node without
//     one is no member, though it takes and gives rumors.
//  13. tells of every peer it finds by Candidate, as often as it likes.
//  14. on Farewell writes out what is queued, ends all links, and calls Handle no
//     more. Publishes that have no answer by then never get one.
//
// # Decisions
//
// Where the core does something else than might be expected, and why:
//
//   - Seen numbers are intervals, not a sliding window of so many bits. A window
//     that slides can be pushed ahead by one wild number, and then takes its
//     origin's next rumors for old. Intervals have no front: a node that takes
//     all of an origin's types keeps a single one, however long the run. Beyond
//     maxSpans the lowest gap is closed, which may cost a rumor but never tells
//     one twice. So are the lowest runs of a node that began more than maxRuns within
//     the life of what it said.
//   - Receipts count instead of naming. Links are ordered and reliable, so the
//     nth verdict is about the nth push: one byte each instead of 32. Therefore
//     nothing overtakes pushes but a node's own leave, after which it reads no
//     more receipts.
//   - Of several rumors that are under way at once each may cut another link out of
//     the same circle, and what should be a tree falls apart. So a duplicate spares, by
//     a chance that grows with their number, links by which others came, and a pruned
//     link that turns out to be the way of one is taken back (prune.go). One of an
//     origin with a tree of its own prunes only that.
//   - There is no PRUNE message: a receipt that says "duplicate" means it, and
//     the receiver of the duplicate has drawn the same conclusion itself. One that
//     says "elsewhere" means the tree of the rumor's origin only, one that says
//     "known" none: the first copy had come by a comparison, or by flooding.
//   - Messages about rumors that are under way name them by 8 bytes of their ID.
//     Who makes two that begin alike (2³² tries) only hides one of his own.
//   - The ways to an origin are compared by what neighbours say of times: for how
//     long they had a rumor when they told of it. That needs no common clock and no
//     measured round trip, and who boasts is found out by the next rumor. The same
//     decides between next hops to a landmark that distances allow.
//   - Trees of landmarks come before any rumor, so the first rumors of many that begin to
//     speak at once cannot tear them, as they tear the shared one.
//   - A landmark's tree is used from any of its nodes, up and down, rather than by
//     sending to the landmark first: who is on the way, or near it, hears earlier. It is
//     made by distances, not by who was first with a rumor, since rumors come into it
//     from everywhere; and no duplicate takes a link out of it.
//   - Comparisons do not give what was pushed here a moment ago: a Fill would
//     overtake it on its way, and its origin's rumors would come out of order.
//   - Comparisons of one group run one after the other. A newcomer with thirty
//     neighbours would otherwise fetch everything thirty times; so it fetches it
//     from the first and finds nothing left with the others. Who is busy says so
//     (a Sync without ranges) and begins itself later; who finds its set equal to
//     the fingerprint it was sent answers at once, busy or not.
//   - A newcomer needs no turn: it begins with the IDs of the few presences that it
//     has, and is given the others at once. It dials only one neighbour in its first
//     second, so what it is told comes to it once, from there (firstTime).
//   - What came by Fill is not pushed on. It mostly fills a hole that many nodes
//     share (a healed partition), where pushing would send every rumor down
//     every link; comparing costs a fingerprint where nothing is missing.
//   - What modules refused, and what waits for their votes, is part of the
//     compared set though it is not given away: so it is not fetched again. Who
//     asks for it is told by the end of the answer (a Sync without ranges) that
//     it need not wait.
//   - A rumor is forwarded only by nodes with a module that takes its type and
//     found it valid; anti-entropy follows the same rule.
//   - A limited rumor that comes by a shorter way than before is pushed again to
//     those who got it with more hops, so that it reaches exactly those who are
//     near enough, whatever the latencies. Hops are anybody's word, so after maxAgain
//     times only half as many count. Where it has come to the end of its way it
//     is not in the compared set: who lacks it would ask in vain until it expires.
//   - A version of a state that waits for votes replaces none that was found
//     valid; if it is voted down the one before stays, and is offered once to each
//     neighbour, for others may have replaced it.
//   - Refutations are paced, so that accusers cannot make a node flood the
//     network: one in 5 s, however many accuse. Who has just refuted is left alone
//     by everybody for 10 s, so that it need not answer again before it may.
//
// # Limits
//
//   - A node that sleeps or is cut off for longer than its suspicion takes is
//     shown as lost until it is heard of again. Hostile nodes can have that happen
//     to one that sleeps for 3 s, but not to one that answers.
//   - A node with a single neighbour that dies in a network of more than three is
//     known lost to that neighbour only; the others forget it when its presence
//     expires.
//   - Rumors are dated by their origin's wall clock. A clock that is fast by more
//     than MaxSkew is not heard until its news is old enough; one that is slow
//     makes its rumors short-lived; one that leaps ahead takes others' presences
//     for expired until they are renewed.
//   - If all neighbours that take a rare type hand nothing on, a node hears nothing of
//     it until it has looked at one that does: where half of all takers are silent one
//     look in two ends that. There is one in 20 s while fewer than takersEnough
//     neighbours take the type, then one in two minutes.
//   - Who lies about distances draws ways to landmarks to itself. If it then swallows
//     rumors they come late, by Have and Graft. Those whom it should have brought what a
//     landmark says ask it no more for a minute, and twice as long each further time
//     (doubt.go); where landmarks' trees carry what others say it is not believed until
//     the landmark's next number. With one in ten such nodes among 50 one delivery in
//     twelve takes more than 0.2 s for the first 20 s (README.md).
//   - In larger networks landmarks are those members whose hashes are smallest, so who
//     makes up identities can be one.
//   - What is heard of peers is not proven: who makes up as many identities as
//     there are nodes, each with an answering address, has half of the sample.
//     Where addresses have no network group, on a LAN or in a private network,
//     nothing but numbers tells attackers from others, and who holds all places
//     for those who come slows down how nodes hear of each other.
//   - Neighbours for a rare type are found by presences. Quiet nodes tell none,
//     so they are only for types that nearly everybody takes.
//   - With a Degree of 2 or less the takers of a rare type can end up as two
//     groups, each of which has neighbours enough and room for no more.
//   - Two nodes with one hostkey take turns in raising their epoch, once a minute
//     at most. Both notice it within seconds and say so (KeyCopied, Status.Copied);
//     which of them is right is for people to say. See copied.go.
package gossip
