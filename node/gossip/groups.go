package gossip

// Network groups: who has many addresses in one part of the Internet can run
// many nodes there cheaply, but hardly in many parts. So no part may have many
// of a node's own choices, nor much of what it remembers, while there are
// others (Heilman et al., "Eclipse Attacks on Bitcoin's Peer-to-Peer Network",
// 2015). Where everybody is in one group, as in a campus, nothing is lost.

// NetGroup names the part of the Internet that an address lies in: of IPv4 the
// first 16 bits, of IPv6 the first 32. The core only compares them. "" is the
// group of private and local addresses, which are cheap to have but lead
// nowhere else: nothing is counted for it.
type NetGroup string

const (
	// groupLinks is how many neighbours of a node's own choice may be of one
	// group.
	groupLinks = 2
	// One in groupShare candidates may be of one group, and as many be named by
	// one peer.
	groupShare = 10
	// One in sourceShare candidates may be of one source that others can write
	// to: the DHT, and multicast.
	sourceShare = 3
)

// netGroup is the group of a record's addresses.
func (s *State) netGroup(r *PeerRecord) NetGroup {
	if r == nil || len(r.Bytes) == 0 || s.cfg.NetGroup == nil {
		return ""
	}
	return s.cfg.NetGroup(r.Bytes)
}

// shares counts candidates by what they have in common. Counters stay where they
// are while anybody is counted there, so that a candidate can keep them at hand:
// when there is no room each is weighed for each newcomer.
type shares struct {
	nets       map[NetGroup]*int
	informants map[PeerID]*int
	sources    map[Source]*int
}

// kin are the counters of what a candidate has in common with others, nil where
// nothing is counted.
type kin struct{ net, informant, source *int }

func newShares() shares {
	return shares{make(map[NetGroup]*int), make(map[PeerID]*int), make(map[Source]*int)}
}

func counter[K comparable](m map[K]*int, k K) *int {
	n := m[k]
	if n == nil {
		n = new(int)
		m[k] = n
	}
	*n++
	return n
}

// add counts a candidate in.
func (h *shares) add(c *candidate) {
	c.like = kin{}
	if c.net != "" {
		c.like.net = counter(h.nets, c.net)
	}
	if c.informant != "" {
		c.like.informant = counter(h.informants, c.informant)
	}
	n := counter(h.sources, c.source)
	if c.source.writable() {
		c.like.source = n
	}
}

// remove counts it out.
func (h *shares) remove(c *candidate) {
	discount(h.sources, c.source)
	if c.net != "" {
		discount(h.nets, c.net)
	}
	if c.informant != "" {
		discount(h.informants, c.informant)
	}
}

func discount[K comparable](m map[K]*int, k K) {
	if n := m[k]; *n > 1 {
		*n--
	} else {
		delete(m, k)
	}
}

// writable reports whether others can write to a source as they like.
func (src Source) writable() bool { return src == SourceKademlia || src == SourceLAN }

// Each of these reports whether there are already as many like c as there may be.

func (h *shares) netFull(c *candidate) bool {
	n := h.nets[c.net]
	return n != nil && *n >= maxCandidates/groupShare
}

func (h *shares) informantFull(c *candidate) bool {
	n := h.informants[c.informant]
	return n != nil && *n >= maxCandidates/groupShare
}

func (h *shares) sourceFull(c *candidate) bool {
	n := h.sources[c.source]
	return n != nil && c.source.writable() && *n >= maxCandidates/sourceShare
}

// over reports whether there are too many of a kind.
func (k *kin) over() bool {
	return k.net != nil && *k.net > maxCandidates/groupShare ||
		k.informant != nil && *k.informant > maxCandidates/groupShare ||
		k.source != nil && *k.source > maxCandidates/sourceShare
}

// chosen counts the neighbours of this node's own choice, and those that it is
// dialling, by their group.
func (s *State) chosen() map[NetGroup]int {
	n := make(map[NetGroup]int)
	for _, l := range s.linkOrder {
		if l != nil && l.dialled && l.net != "" {
			n[l.net]++
		}
	}
	for _, c := range s.candidateOrder {
		if c.dialling && c.net != "" {
			n[c.net]++
		}
	}
	return n
}

// beyond reports whether a neighbour is one too many of its group. Then it stays,
// but is not counted among those of this node's own choice: others are dialled.
func (s *State) beyond(net NetGroup) bool {
	if net == "" {
		return false
	}
	chosen := s.chosen()
	return chosen[net] >= groupLinks && s.othersThan(chosen)
}

// othersThan reports whether there is a candidate left whose group has not yet
// as many neighbours as it may have.
func (s *State) othersThan(chosen map[NetGroup]int) bool {
	for _, c := range s.candidateOrder {
		if !c.linked && !c.gone && c.fails == 0 && !s.isBanned(c.peer) && (c.net == "" || chosen[c.net] < groupLinks) {
			return true
		}
	}
	return false
}

// partner chooses a neighbour for an exchange of peers: every other time one of
// this node's own choice, of each network group as often as of any other, and
// none that had nothing new when others may. So what is heard depends little on
// who comes in numbers and says the same.
func (s *State) partner() *link {
	own := s.cfg.Rand.IntN(2) == 0
	among := func(fit func(l *link) bool) (with []*link) {
		for _, l := range s.linkOrder {
			if l != nil && !l.leaving && fit(l) {
				with = append(with, l)
			}
		}
		return with
	}
	with := among(func(l *link) bool { return !l.dull && (l.dialled || !own) })
	if len(with) == 0 {
		with = among(func(l *link) bool { return !l.dull })
	}
	if len(with) == 0 {
		with = among(func(l *link) bool { return true })
		for _, l := range with {
			l.dull = false
		}
	}
	if len(with) == 0 {
		return nil
	}
	members := make(map[NetGroup]int)
	for _, l := range with {
		members[l.net]++
	}
	at := 0.0
	for _, l := range with {
		at += l.net.weight(members)
	}
	at *= s.cfg.Rand.Float64()
	for _, l := range with {
		if at -= l.net.weight(members); at < 0 {
			return l
		}
	}
	return with[len(with)-1]
}

// weight is what one counts for of a group with so many members: all of them
// together for one. Without a group each is one of its own.
func (net NetGroup) weight(members map[NetGroup]int) float64 {
	if net == "" {
		return 1
	}
	return 1 / float64(members[net])
}

// evictFor makes room for a newcomer by ending the youngest link that came from
// the group with the most of them, if the newcomer's has fewer: who holds all
// places from a few groups cannot keep others out.
func (s *State) evictFor(ev LinkUp) bool {
	if ev.Net == "" || ev.Dialled || !s.cfg.PeerExchange {
		return false
	}
	came := make(map[NetGroup]int)
	for _, l := range s.linkOrder {
		if l != nil && !l.dialled && !l.leaving && l.net != "" {
			came[l.net]++
		}
	}
	var victim *link
	for _, l := range s.linkOrder {
		if l == nil || l.dialled || l.leaving || l.net == "" || came[l.net] < came[ev.Net]+2 {
			continue
		}
		if victim == nil || came[l.net] > came[victim.net] || came[l.net] == came[victim.net] && l.since.After(victim.since) {
			victim = l
		}
	}
	if victim == nil {
		return false
	}
	s.count.LinksEvicted++
	s.refuseLink(victim.peer, ByeFull, "its place went to one from elsewhere")
	s.dropLink(victim)
	return true
}
