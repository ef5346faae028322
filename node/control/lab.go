package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hearsay/node"
)

// The gossip lab's own interface. In the lab every node is a web server on a port
// of one machine; it asks another for its peers, and posts messages of which each
// has a UUID, the port of its origin, a version number that grows, a TTL and a
// payload. With Config.Lab such plain nodes take part in the network:
//
//   - What is posted here becomes a rumor of data type [LabType] whose data is the
//     message, with one TTL less; its TTL is the rumor's too. A TTL of 0 stays here.
//   - Such a rumor of another node is posted to the lab nodes that this one knows:
//     those who have posted here. It knows them by the port in their messages.
//   - A UUID is taken once, and of one port only versions that are newer.
//
// So lab nodes on several machines talk to each other through the Hearsay nodes
// beside them. Ports are the lab's identities: two origins with one port on two
// machines are the same to it.
//
// # What it opens
//
// The lab's nodes have no token, so with Config.Lab any program on this machine,
// of whatever user, may have this node announce rumors of that one type, 20 a
// second, and may have it post lab messages to ports on loopback that it names.
// Web pages may not: Host, Origin and Content-Type are checked as everywhere. What
// other nodes say never adds a port. It is off unless somebody asks for it.

// LabType is the data type of the lab's messages.
const LabType = 1004

const (
	maxLabBody     = 4 << 10 // bytes of a message
	maxLabPeers    = 64      // ports that are posted to; who comes later only sends
	maxLabSeen     = 4096    // UUIDs that are remembered; the oldest go
	maxLabVersions = 1024    // origins whose newest version is remembered; beyond, any goes
	maxLabQueue    = 256     // messages that wait for being posted or announced
	labFailures    = 3       // posts in a row that failed, after which a port is forgotten
	labRate        = 20      // messages a second that are taken
	labBurst       = 100
	labTimeout     = 2 * time.Second // for one post
)

var labRoutes = []route{
	{method: "GET", path: "/peers/", summary: "Only with lab_api = true: ports of the gossip lab's nodes on this machine, this node's first.",
		content: "application/json", open: true, handle: (*Server).getLabPeers},
	{method: "POST", path: "/gossip/", summary: "Only with lab_api = true: takes a message of the gossip lab.",
		in: LabMessage{}, out: LabTaken{}, open: true, handle: (*Server).postLabGossip},
}

// LabMessage is the body of POST /gossip/. Lab nodes spell the names of its fields
// in several ways: case, hyphens and underscores do not matter, the port may be
// called originating port, and the version version number. Other fields are
// carried along.
type LabMessage struct {
	UUID    string          `json:"uuid"`    // 1 to 128 bytes; a message is taken once
	Port    uint16          `json:"port"`    // of its origin, 1 to 65535
	Number  uint64          `json:"version"` // grows with each message of the origin
	TTL     uint8           `json:"ttl"`     // nodes that it still goes to, 0 = none
	Payload json.RawMessage `json:"payload"` // any JSON
}

// LabTaken answers POST /gossip/.
type LabTaken struct {
	Version int  `json:"version"`
	New     bool `json:"new"` // it was not known, and not older than what is
}

// labMessage is a message with all that came with it.
type labMessage struct {
	LabMessage
	fields map[string]json.RawMessage
	ttlKey string
}

// parseLab reads a message.
func parseLab(text []byte) (labMessage, error) {
	m := labMessage{fields: map[string]json.RawMessage{}}
	if err := json.Unmarshal(text, &m.fields); err != nil {
		return m, err
	}
	into := map[string]any{
		"uuid": &m.UUID, "port": &m.Port, "originatingport": &m.Port, "originport": &m.Port,
		"version": &m.Number, "versionnumber": &m.Number, "ttl": &m.TTL, "payload": &m.Payload,
	}
	missing := map[any]string{&m.UUID: "uuid", &m.Port: "port", &m.Number: "version", &m.TTL: "ttl", &m.Payload: "payload"}
	for name, value := range m.fields {
		plain := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
		target, ok := into[plain]
		if !ok {
			continue
		}
		if missing[target] == "" {
			return m, fmt.Errorf("%q comes twice", plain)
		}
		if err := json.Unmarshal(value, target); err != nil {
			return m, fmt.Errorf("%.20s: %w", plain, err)
		}
		delete(missing, target)
		if plain == "ttl" {
			m.ttlKey = name
		}
	}
	if len(missing) > 0 {
		return m, fmt.Errorf("it lacks %s", strings.Join(slices.Sorted(maps.Values(missing)), ", "))
	}
	if m.UUID == "" || len(m.UUID) > 128 || m.Port == 0 {
		return m, errors.New("the UUID has 1 to 128 bytes, the port is not 0")
	}
	return m, nil
}

// withTTL is the message as JSON, with another TTL.
func (m labMessage) withTTL(ttl uint8) []byte {
	fields := maps.Clone(m.fields)
	fields[m.ttlKey] = fmt.Append(nil, ttl)
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // it was JSON
	}
	return text
}

// lab is this node as a node of the lab.
type lab struct {
	s      *Server
	port   uint16
	limit  *rate.Limiter
	client *http.Client
	posts  chan labPost
	says   chan labMessage
	taking sync.Mutex // held by who puts into says

	mu       sync.Mutex
	seen     map[string]bool
	order    []string // of seen
	versions map[uint16]uint64
	failures map[uint16]int // of the ports that are posted to
}

// labPost is a message on its way to a lab node.
type labPost struct {
	port uint16
	body []byte
}

func newLab(s *Server, port uint16) *lab {
	return &lab{
		s: s, port: port, limit: rate.NewLimiter(labRate, labBurst),
		client: &http.Client{
			Timeout:       labTimeout,
			Transport:     &http.Transport{MaxConnsPerHost: 2, IdleConnTimeout: idleTimeout}, // and no proxy
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		posts: make(chan labPost, maxLabQueue), says: make(chan labMessage, maxLabQueue),
		seen: map[string]bool{}, versions: map[uint16]uint64{}, failures: map[uint16]int{},
	}
}

// isNew reports whether a message is not known, and newer than what is.
func (l *lab) isNew(m labMessage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest, ok := l.versions[m.Port]
	return !l.seen[m.UUID] && (!ok || m.Number > newest)
}

// news notes a message, and reports whether it is new.
func (l *lab) news(m labMessage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[m.UUID] {
		return false
	}
	l.seen[m.UUID] = true
	if l.order = append(l.order, m.UUID); len(l.order) > maxLabSeen {
		delete(l.seen, l.order[0])
		l.order = l.order[1:]
	}
	if newest, ok := l.versions[m.Port]; ok && m.Number <= newest {
		return false
	} else if ok || len(l.versions) < maxLabVersions {
		l.versions[m.Port] = m.Number
	}
	return true
}

// meet notes a lab node of this machine.
func (l *lab) meet(port uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.failures[port]; !known && port != l.port && len(l.failures) < maxLabPeers {
		l.failures[port] = 0
	}
}

// ports are this node's and those of the lab nodes that it knows.
func (l *lab) ports() []uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]uint16{l.port}, slices.Sorted(maps.Keys(l.failures))...)
}

// take takes a message of a lab node, if there is room for it, and reports whether it is
// new. What there was no room for may come again, and is as new then.
func (l *lab) take(m labMessage) (isNew bool, err error) {
	l.taking.Lock()
	defer l.taking.Unlock()
	if m.TTL > 0 && len(l.says) == cap(l.says) && l.isNew(m) {
		return false, refuse(http.StatusServiceUnavailable, "send it again, and fewer", "too many messages wait for their proof of work")
	}
	if !l.news(m) {
		return false, nil
	}
	if m.TTL > 0 {
		l.pass(m, m.TTL-1)
		l.says <- m
	}
	return true, nil
}

// pass posts a message to all lab nodes but its origin.
func (l *lab) pass(m labMessage, ttl uint8) {
	body := m.withTTL(ttl)
	for _, port := range l.ports()[1:] {
		if port == m.Port {
			continue
		}
		select {
		case l.posts <- labPost{port, body}:
		default:
			l.s.log.Warn("control: a message of the lab is lost", "port", port)
		}
	}
}

// run carries messages between the network and the lab nodes until ctx ends.
func (l *lab) run(ctx context.Context) {
	listener, err := l.s.node.Listen([]uint16{LabType})
	if err != nil {
		l.s.log.Error("control: lab_api: the lab's messages cannot be heard", "error", err)
		return
	}
	defer listener.Close()
	defer l.client.CloseIdleConnections()
	var workers sync.WaitGroup
	defer workers.Wait()
	for range 4 { // one that hangs does not hold up the others
		workers.Go(func() { l.poster(ctx) })
	}
	workers.Go(func() { l.speaker(ctx) })
	for {
		select {
		case r, ok := <-listener.C():
			if !ok {
				return
			}
			l.heard(r)
		case <-ctx.Done():
			return
		}
	}
}

// heard takes a rumor of the network.
func (l *lab) heard(r node.Rumor) {
	if m, err := parseLab(r.Data); err == nil && l.news(m) && m.TTL > 0 {
		l.pass(m, m.TTL)
	}
}

// speaker announces what lab nodes say, one after the other.
func (l *lab) speaker(ctx context.Context) {
	for {
		select {
		case m := <-l.says:
			a := node.Announcement{DataType: LabType, TTL: m.TTL, Data: m.withTTL(m.TTL - 1)}
			if _, err := l.s.node.Announce(ctx, a); err != nil && ctx.Err() == nil {
				l.s.log.Warn("control: a message of the lab was not announced", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (l *lab) poster(ctx context.Context) {
	for {
		select {
		case p := <-l.posts:
			l.posted(p.port, l.post(ctx, p))
		case <-ctx.Done():
			return
		}
	}
}

func (l *lab) post(ctx context.Context, p labPost) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/gossip/", p.port), strings.NewReader(string(p.body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxLabBody))
	if resp.StatusCode >= 400 {
		err = errors.New(resp.Status)
	}
	return err
}

// posted forgets a lab node that does not take anything any more.
func (l *lab) posted(port uint16, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.failures[port]; !known {
		return // this was on its way when it was forgotten
	}
	if err == nil {
		l.failures[port] = 0
	} else if l.failures[port]++; l.failures[port] >= labFailures {
		delete(l.failures, port)
	}
}

// labOff is what both endpoints answer unless Config.Lab is set.
func labOff() *Error {
	return refuse(http.StatusNotFound, "set lab_api = true in the section [hearsay] of the configuration", "the gossip lab's interface is off")
}

func (s *Server) getLabPeers(w http.ResponseWriter, r *http.Request) error {
	if s.lab == nil {
		return labOff()
	}
	if r.URL.RawQuery != "" {
		return noParameters(r)
	}
	text, err := json.Marshal(s.lab.ports())
	if err != nil {
		return err
	}
	s.write(w, "application/json", append(text, '\n'))
	return nil
}

func (s *Server) postLabGossip(w http.ResponseWriter, r *http.Request) error {
	if s.lab == nil {
		return labOff()
	}
	const hint = `send {"uuid": text, "port": number, "version": number, "ttl": number, "payload": anything} as application/json`
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, hint, "the body is not declared as JSON")
	}
	if !s.lab.limit.Allow() {
		return refuse(http.StatusTooManyRequests, "send fewer: 20 a second are taken", "too many messages")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLabBody))
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return refuse(http.StatusRequestEntityTooLarge, "shorten the payload", "the message is over %d bytes", maxLabBody)
	} else if err != nil {
		return refuse(http.StatusBadRequest, hint, "the body cannot be read: %v", err)
	}
	m, err := parseLab(text)
	if err != nil {
		return refuse(http.StatusBadRequest, hint, "that is no message of the lab: %v", err)
	}
	s.lab.meet(m.Port)
	isNew, err := s.lab.take(m)
	if err != nil {
		return err
	}
	s.answer(w, http.StatusOK, LabTaken{Version, isNew})
	return nil
}
