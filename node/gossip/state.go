package gossip

import (
	"time"
)

// State is the core of one node: everything that gossip decides, and nothing
// else. It is not safe for concurrent use; one driver owns it. See the package
// comment for the driver's duties.
type State struct {
	cfg   Config
	now   time.Time // of the event being handled
	first time.Time // of the first one
	out   *Actions

	// Own rumors (publish.go).
	epoch, seq uint64
	raising    bool // an epoch is on its way to the disk
	raisedAt   time.Time
	raiseWait  time.Duration // after it, before the next time
	laterEpoch uint64        // the latest that was heard of
	copied     copied        // what speaks for another node with this key (copied.go)
	pending    map[RumorID]*pendingRumor
	waiting    []Publish // for a new epoch

	// Local modules (modules.go).
	modules     map[ModuleID]*module
	moduleOrder []ModuleID
	takers      map[uint16]int // data type → modules that take it
	ballots     []*ballot      // in the order in which they end

	subscriptions uint64 // so many were made

	// Rumors (store.go, window.go, push.go).
	store   *store
	windows windows

	intake   intake              // what may still be looked at (intake.go)
	twofaced map[PeerID]twofaced // origins that equivocated (twofaced.go)

	// Who came of late, the oldest first (callers.go).
	callers []caller

	// Ways to origins (route.go).
	routes map[PeerID]Route

	// Rumors heard of (lazy.go).
	missing      map[missingKey]*missing
	missingOrder []*missing
	bustle       map[Group]*bustle
	lateness     time.Duration // of rumors behind the news of them
	bereft       time.Time     // when a way by which rumors came was lost last
	unrest       time.Time     // when something had to be asked for last, or links changed
	untold       []untold      // IDs of which links are told when it is their turn (have.go)
	spreading    bool          // this event has a rumor travel, beside which what may leave early leaves (early.go)

	// Trees of single origins (rooted.go).
	sources     map[sourceKey]*source
	sourceOrder []*source // the one that spoke last at the end

	// Trees of landmarks (landmark.go).
	groves map[Group]*grove

	// Membership (presence.go).
	members         map[PeerID]*member
	presences       index
	presenceByID    map[RumorID]*member
	presenceByShort map[ShortID]*member
	own             ownPresence
	membersFull     time.Time // when there was last no room for one

	// Who is lost, and this node's own state (suspect.go, health.go).
	suspects suspects
	health   health

	// Links and views (link.go, view.go, dial.go, groups.go).
	links          map[PeerID]*link
	linkOrder      []*link // by slot, nil = free
	candidates     map[PeerID]*candidate
	candidateOrder []*candidate // in the order in which they were heard of
	shares         shares       // of candidates
	pauses         pauses       // of peers that were candidates
	banned         map[PeerID]time.Time
	dials          int
	strangerAt     time.Time // before which no stranger is dialled without need
	fillAt         time.Time // before which no place is filled, see firstTime and refillPace
	wanting        bool      // candidates may be wanted for what they take
	grown          bool      // it has had neighbours enough once
	lookAt         time.Time // before which no taker of a rare type is looked for (look.go)
	leaving        bool
	observed       bool // people watch (observe.go)

	// Exchange of peers (shuffle.go, sampler.go).
	meters   map[PeerID]*meter // of what neighbours may still do (allowance.go)
	shuffles int
	taught   int // peers that were new, since the last shuffle
	hurry    int // with shuffles
	idle     int // shuffles without news
	swaps    int // that are left
	sampler  sampler

	// Anti-entropy (reconcile.go).
	syncs syncs

	// due holds, for each thing that has to be done at a time, that time.
	due [tasks]time.Time

	count Counters
}

// task is something that becomes due.
type task int

const (
	taskBallots   task = iota // modules' votes time out
	taskExpiry                // rumors expire
	taskWindows               // windows are forgotten
	taskPresence              // own presence is renewed or changed
	taskMembers               // others' presences expire
	taskSuspect               // lost neighbours are dialled, suspicions run out
	taskEpoch                 // a later epoch is needed
	taskReceipts              // batched receipts leave
	taskHaves                 // batched IDs leave
	taskGraft                 // rumors heard of did not come
	taskLinks                 // pings, dead links, late receipts
	taskDial                  // neighbours are missing
	taskSync                  // a periodic comparison of stores
	taskCompare               // comparisons go on
	taskGreet                 // new neighbours are asked for peers
	taskShuffle               // peers are exchanged
	taskLook                  // takers of rare types are looked for
	taskLandmarks             // ways to landmarks

	tasks
)

// New makes a core. It fails if the configuration is out of range.
func New(cfg Config) (*State, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &State{
		cfg:             cfg,
		epoch:           cfg.Epoch,
		pending:         make(map[RumorID]*pendingRumor),
		modules:         make(map[ModuleID]*module),
		takers:          make(map[uint16]int),
		store:           newStore(cfg.CacheSize, cfg.CacheBytes),
		windows:         newWindows(),
		missing:         make(map[missingKey]*missing),
		bustle:          make(map[Group]*bustle),
		sources:         make(map[sourceKey]*source),
		groves:          make(map[Group]*grove),
		routes:          make(map[PeerID]Route),
		members:         make(map[PeerID]*member),
		presenceByID:    make(map[RumorID]*member),
		presenceByShort: make(map[ShortID]*member),
		links:           make(map[PeerID]*link),
		candidates:      make(map[PeerID]*candidate),
		shares:          newShares(),
		pauses:          pauses{of: make(map[PeerID]pause)},
		banned:          make(map[PeerID]time.Time),
		meters:          make(map[PeerID]*meter),
		intake:          intake{turns: make(map[PeerID]*allowance)},
		twofaced:        make(map[PeerID]twofaced),
		sampler:         newSampler(cfg.Rand),
		hurry:           shuffleHurry,
		swaps:           cfg.Degree / 2,
	}, nil
}

// Handle takes in one event and appends to out what is to be done about it.
// now must not run backwards; its wall clock is used for stamps and expiry, its
// monotonic clock for everything else.
func (s *State) Handle(now time.Time, ev Event, out *Actions) {
	s.now, s.out = now, out
	if s.first.IsZero() {
		s.first = now
	}
	s.noticeLag()
	switch ev := ev.(type) {
	case Tick:
	case Received:
		s.onReceived(ev)
	case Vote:
		s.onVote(ev)
	case Publish:
		s.onPublish(ev)
	case Sealed:
		s.onSealed(ev)
	case SealFailed:
		s.onSealFailed(ev)
	case EpochRaised:
		s.onEpochRaised(ev)
	case Subscribe:
		s.onSubscribe(ev)
	case ModuleGone:
		s.onModuleGone(ev)
	case LinkUp:
		s.onLinkUp(ev)
	case Broke:
		s.onBroke(ev)
	case LinkDown:
		s.onLinkDown(ev)
	case SendDropped:
		s.onSendDropped(ev)
	case Candidate:
		s.onCandidate(ev)
	case Reached:
		s.onReached(ev)
		s.reached(ev.Peer)
	case DialFailed:
		s.onDialFailed(ev)
		s.unreachable(ev.Peer)
	case SelfRecord:
		s.onSelfRecord(ev)
	case SelfKey:
		s.own.key = ev.Certificate
		s.announcePresence()
	case Leave:
		s.onLeave()
	case Observe:
		s.observed = ev.On
	}
	if s.spreading {
		s.spreading = false
		s.bringForward()
	}
	s.runDue()
	s.out = nil
}

// Deadline is when the driver must send a Tick if no other event comes before;
// the zero time means never.
func (s *State) Deadline() time.Time {
	var first time.Time
	for _, t := range s.due {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// runDue does every task whose time has come. Each returns when it is due next.
func (s *State) runDue() {
	for t, at := range s.due {
		if at.IsZero() || at.After(s.now) {
			continue
		}
		s.due[t] = time.Time{}
		var next time.Time
		switch task(t) {
		case taskBallots:
			next = s.expireBallots()
		case taskExpiry:
			next = s.expireRumors()
		case taskWindows:
			next = s.expireWindows()
		case taskPresence:
			next = s.renewPresence()
		case taskMembers:
			next = s.expireMembers()
		case taskSuspect:
			next = s.runSuspects()
		case taskEpoch:
			next = s.raiseEpoch()
		case taskReceipts:
			next = s.sendReceipts(s.now)
		case taskHaves:
			next = s.sendHaves()
		case taskGraft:
			next = s.graft()
		case taskLinks:
			next = s.checkLinks()
		case taskDial:
			next = s.dialMissing()
		case taskSync:
			next = s.syncRound()
		case taskCompare:
			next = s.compare()
		case taskGreet:
			next = s.greetAll()
		case taskShuffle:
			next = s.shuffle()
		case taskLook:
			next = s.lookRound()
		case taskLandmarks:
			next = s.tendLandmarks()
		}
		s.schedule(task(t), next)
	}
}

// schedule makes a task due at a time, or leaves it if it is due before.
func (s *State) schedule(t task, at time.Time) {
	if !at.IsZero() && (s.due[t].IsZero() || at.Before(s.due[t])) {
		s.due[t] = at
	}
}

func (s *State) after(t task, d time.Duration) { s.schedule(t, s.now.Add(d)) }

func (s *State) do(a Action) { *s.out = append(*s.out, a) }

// millis is the wall clock's reading as rumors are stamped with it.
func (s *State) millis() int64 { return s.now.UnixMilli() }

// at turns a stamp into a time on this node's clock, so that it can be compared
// with monotonic readings.
func (s *State) at(millis int64) time.Time {
	return s.now.Add(time.Duration(millis-s.millis()) * time.Millisecond)
}

func (s *State) expireRumors() time.Time {
	if next := s.store.expire(s.millis()); next != 0 {
		return s.at(next)
	}
	return time.Time{}
}

// expireWindows also runs while the store is empty: windows outlive rumors, and
// a full set of them takes in no new origin.
func (s *State) expireWindows() time.Time {
	s.windows.expire(s.windows.clock(s.millis(), s.first.UnixMilli()+s.now.Sub(s.first).Milliseconds()))
	s.forgetRates()
	if s.windows.n == 0 {
		return time.Time{}
	}
	return s.now.Add(windowPause)
}
