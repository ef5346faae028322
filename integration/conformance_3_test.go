package integration_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"hearsay/discovery/values"
	"hearsay/integration"
	"hearsay/node"
)

// The rules of the DHT API, over real TCP:
//
//	650 PUT      size · 650 · TTL u16 · replication u8 · reserved u8 · key 32 bytes · value
//	651 GET        36 · 651 · key
//	652 SUCCESS  size · 652 · key · value
//	653 FAILURE    36 · 653 · key

func dhtKey(name string) string {
	return name + strings.Repeat("\x00", 32-len(name))
}

func put(ttl uint16, replication, reserved byte, key, value string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(40+len(value)))
	b = append(b, 0x02, 0x8a, byte(ttl>>8), byte(ttl), replication, reserved)
	return append(append(b, key...), value...)
}

func get(key string) []byte { return append([]byte{0, 36, 0x02, 0x8b}, key...) }

// dhtModule connects to the DHT API of node i.
func dhtModule(t testing.TB, c *integration.Cluster, i int) *raw {
	t.Helper()
	return moduleAt(t, c, i, c.Node(i).DHTAPI())
}

// answer reads SUCCESS or FAILURE; the value is "" of the latter.
func (r *raw) answer() (key, value string) {
	r.t.Helper()
	h := r.read(4)
	size, kind := int(binary.BigEndian.Uint16(h)), binary.BigEndian.Uint16(h[2:])
	if kind == 653 && size != 36 || kind == 652 && size <= 36 || kind != 652 && kind != 653 {
		r.t.Fatalf("node %d sent a message of type %d and size %d", r.i, kind, size)
	}
	body := string(r.read(size - 4))
	return body[:32], body[32:]
}

func (r *raw) expectValue(key, value string) {
	r.t.Helper()
	if k, v := r.answer(); k != key || v != value {
		r.t.Fatalf("node %d answered %q for %q, want %s for %q", r.i, short(v), k, short(value), key)
	}
}

// has asks until the value is there.
func (r *raw) has(key, value string) {
	r.t.Helper()
	r.c.Await(fmt.Sprintf("node %d to find %s", r.i, short(value)), func() bool {
		r.send(get(key))
		_, v := r.answer()
		return v == value
	})
}

// What one node's module PUTs, the others' modules GET, up to the largest value.
func TestConformance_3_PutAndGet(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, integration.WithDHTAPI())
	a, b, d := dhtModule(t, c, 0), dhtModule(t, c, 1), dhtModule(t, c, 2)
	for i, n := range []int{1, 1000, 60_000, 65_495} {
		key, value := dhtKey(fmt.Sprint("size ", i)), strings.Repeat("v", n)
		a.send(put(60, 1, 0, key, value), get(key)) // a GET right after a PUT
		a.expectValue(key, value)
		b.has(key, value)
		d.has(key, value)
	}
	key := dhtKey("reserved")
	a.send(put(60, 255, 1, key, "v"), get(key)) // real clients send 1 there
	a.expectValue(key, "v")
}

// A later PUT to the same key replaces the value, here and elsewhere.
func TestConformance_3_LaterPutReplaces(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithDHTAPI())
	a, b := dhtModule(t, c, 0), dhtModule(t, c, 1)
	key := dhtKey("k")
	for i := range 5 {
		value := fmt.Sprint("value ", i)
		a.send(put(60, 1, 0, key, value), get(key))
		a.expectValue(key, value)
		b.has(key, value)
	}
}

// What two nodes put under one key stands side by side: each finds its own, a later
// PUT replaces that of its node alone, and others find one of the two.
func TestConformance_3_PutsOfTwoNodes(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, integration.WithDHTAPI())
	a, b, d := dhtModule(t, c, 0), dhtModule(t, c, 1), dhtModule(t, c, 2)
	key := dhtKey("k")
	finds := func(i int, want ...string) {
		t.Helper()
		c.Await(fmt.Sprintf("node %d to find %q", i, want), func() bool {
			var found []string
			for _, v := range c.Node(i).Running().GetValues(c.Context(), node.ValueKey([]byte(key))) {
				found = append(found, string(v.Data))
			}
			slices.Sort(found)
			return slices.Equal(found, want)
		})
	}
	a.send(put(60, 1, 0, key, "a's"))
	b.has(key, "a's")
	d.has(key, "a's")
	b.send(put(60, 1, 0, key, "b's"), get(key))
	b.expectValue(key, "b's")
	for i := range 3 {
		finds(i, "a's", "b's")
	}
	a.send(get(key))
	a.expectValue(key, "a's")
	a.send(put(60, 1, 0, key, "a's later one"), get(key))
	a.expectValue(key, "a's later one")
	for i := range 3 {
		finds(i, "a's later one", "b's")
	}
	b.send(get(key))
	b.expectValue(key, "b's")
	d.send(get(key))
	if _, v := d.answer(); v != "a's later one" && v != "b's" {
		t.Errorf("node 2 found %q", v)
	}
}

// The course's client: PUT with TTL 1 and replication 1, half a second, GET, one
// recv.
func TestConformance_3_CourseClient(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithDHTAPI())
	a := dhtModule(t, c, 0)
	for i := range 20 {
		key := dhtKey(fmt.Sprint("course ", i))
		began := time.Now()
		a.send(put(1, 1, 0, key, "hello"))
		time.Sleep(500 * time.Millisecond) // as the client does
		a.send(get(key))
		buf := make([]byte, 4096)
		a.SetReadDeadline(time.Now().Add(integration.DefaultPatience))
		n, err := a.Read(buf) // one recv
		if want := "\x00\x29\x02\x8c" + key + "hello"; err == nil && string(buf[:n]) == want {
			return
		}
		if time.Since(began) < time.Second {
			t.Fatalf("received % x, %v", buf[:n], err)
		}
	}
	t.Error("the machine is too busy for this test")
}

// A value that has had its time is FAILURE, here and elsewhere.
func TestConformance_3_Expiry(t *testing.T) {
	t.Parallel()
	const ttl = 5 // in which all that comes before has to be done
	c := integration.New(t, 2, integration.WithDHTAPI())
	a, b := dhtModule(t, c, 0), dhtModule(t, c, 1)
	key := dhtKey("k")
	a.send(put(ttl, 1, 0, key, "v"), get(key))
	a.expectValue(key, "v")
	over := time.Now().Add(ttl * time.Second)
	b.has(key, "v")
	c.Await("node 1 to keep it", func() bool { return count(c, 1, "dht_records") == 1 })
	time.Sleep(time.Until(over))
	for _, m := range []*raw{a, b} {
		m.send(get(key))
		m.expectValue(key, "")
	}
}

// What the modules of one node put takes 1 MiB at most. What does not fit is refused
// without a word: there is no value then, or the one before.
func TestConformance_3_TooMuchPut(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.WithDHTAPI())
	m, other := dhtModule(t, c, 0), dhtModule(t, c, 0)
	large := strings.Repeat("v", 65_495)
	m.send(put(60, 1, 0, dhtKey("small"), "old"))
	for i := range 16 {
		key, want := dhtKey(fmt.Sprint(i)), large
		if i == 15 {
			want = ""
		}
		m.send(put(60, 1, 0, key, large), get(key))
		m.expectValue(key, want)
	}
	if s := c.Node(0).DHTStats(); s.Puts != 17 || s.PutErrors != 1 {
		t.Errorf("%d PUTs, %d refused", s.Puts, s.PutErrors)
	}
	m.send(put(60, 1, 0, dhtKey("small"), large), get(dhtKey("small")))
	m.expectValue(dhtKey("small"), "old")
	other.send(put(60, 1, 0, dhtKey("others"), large), get(dhtKey("others")))
	other.expectValue(dhtKey("others"), "")
	other.send(put(60, 1, 0, dhtKey("others"), "new"), get(dhtKey("others")))
	other.expectValue(dhtKey("others"), "new")
	if s := c.Node(0).DHTStats(); s.PutErrors != 3 {
		t.Errorf("%d PUTs were refused, want 3", s.PutErrors)
	}
}

// Several GETs may be pipelined; each is answered on its connection, with its key.
func TestConformance_3_PipelinedGets(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithDHTAPI())
	a, b := dhtModule(t, c, 0), dhtModule(t, c, 1)
	want := map[string]string{}
	for i := range 100 {
		key, value := dhtKey(fmt.Sprint(i)), ""
		if i%2 == 0 {
			value = fmt.Sprint("value ", i)
			a.send(put(60, 1, 0, key, value))
		}
		want[key] = value
	}
	b.has(dhtKey("98"), "value 98")
	for i := range 100 {
		b.has(dhtKey(fmt.Sprint(i)), want[dhtKey(fmt.Sprint(i))])
	}
	var all []byte
	for key := range want {
		all = append(all, get(key)...)
	}
	b.send(all)
	for range 100 {
		key, value := b.answer()
		if v, open := want[key]; !open || v != value {
			t.Fatalf("%q for %q", value, key)
		}
		delete(want, key)
	}
}

// Whatever breaks a rule ends the connection; nothing is sent and nothing behind
// it is read.
func TestConformance_3_Violations(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.WithDHTAPI())
	key := dhtKey("k")
	for what, b := range map[string]string{
		"empty value":     string(put(60, 1, 0, key, "")),
		"short key":       "\x00\x23\x02\x8b" + key[:31],
		"long GET":        "\x00\x25\x02\x8b" + key + "x",
		"SUCCESS":         "\x00\x25\x02\x8c" + key + "x",
		"FAILURE":         "\x00\x24\x02\x8d" + key,
		"a Gossip NOTIFY": string(notify(7)),
		"unknown type":    "\x00\x04\x02\x8e",
		"size 3":          "\x00\x03\x02\x8b",
		"an HTTP request": "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		m := dhtModule(t, c, 0)
		m.send([]byte(b), put(60, 1, 0, key, "smuggled: "+what), get(key))
		m.expectClosed()
	}
	m := dhtModule(t, c, 0)
	m.send(get(key))
	m.expectValue(key, "")
}

// Messages come in any pieces.
func TestConformance_3_Fragmentation(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.WithDHTAPI())
	m := dhtModule(t, c, 0)
	key := dhtKey("k")
	talk := append(put(60, 1, 0, key, "value"), get(key)...)
	for cut := 1; cut < len(talk); cut += 7 {
		m.sendPieces(talk[:cut], talk[cut:])
		m.expectValue(key, "value")
	}
	for i := range talk {
		m.sendPieces(talk[i : i+1])
	}
	m.expectValue(key, "value")
}

// A value put while the node is alone is spread when another one comes, and
// outlives the node.
func TestConformance_3_AloneAndThenNot(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithDHTAPI(), integration.Pairs())
	a, b := dhtModule(t, c, 0), dhtModule(t, c, 1)
	key := dhtKey("k")
	a.send(put(600, 3, 0, key, "early"), get(key))
	a.expectValue(key, "early")
	b.send(get(key))
	b.expectValue(key, "")
	c.Connect(0, 1)
	b.has(key, "early")
	c.Await("the value to be kept by node 1", func() bool { return count(c, 1, "dht_records") == 1 })
	c.Node(0).Kill()
	b.send(get(key))
	b.expectValue(key, "early")
}

// A module that closes its sending half still gets its answers.
func TestConformance_3_HalfClose(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.WithDHTAPI())
	m := dhtModule(t, c, 0)
	key := dhtKey("k")
	m.send(put(60, 1, 0, key, "v"), get(key))
	if err := m.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	m.expectValue(key, "v")
	m.expectClosed()
}

// With the DHT of all others hostile, rumors are delivered as ever (D14), and a
// GET still ends.
func TestDHTFullyHostile(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 5, integration.WithDHTAPI(), integration.Line(), unpaced())
	garbage := []byte(strings.Repeat("\xff\x00\x7f", 1000))
	var asked atomic.Int64
	for i := 1; i < 5; i++ {
		h := c.Node(i).Running().Host()
		hostile := 0
		for _, p := range h.Mux().Protocols() {
			if p != values.Protocol("integration") && !strings.Contains(string(p), "/kad/") {
				continue
			}
			hostile++
			silent := i%2 == 0
			h.SetStreamHandler(p, func(s network.Stream) {
				asked.Add(1)
				defer s.Reset() // no close of a connection does it for a stream that comes just then
				if !silent {
					s.Write(garbage)
					s.Close()
				}
				io.Copy(io.Discard, s)
			})
		}
		if hostile != 2 {
			t.Fatalf("node %d is hostile in %d protocols, want those of values and of Kademlia", i, hostile)
		}
	}
	from, end := module(t, c, 0), subscriber(t, c, 4, dataType)
	var between []*raw
	for i := 1; i < 4; i++ {
		between = append(between, subscriber(t, c, i, dataType))
	}
	d := dhtModule(t, c, 0)
	for i := range 20 {
		key := dhtKey(fmt.Sprint(i))
		d.send(put(60, 1, 0, key, "mine"), get(dhtKey("nobody's")))
		data := fmt.Sprint("rumor ", i)
		from.send(announce(0, dataType, data))
		for _, m := range between {
			m.vouch(data)
		}
		end.vouch(data)
	}
	for range 20 {
		if key, v := d.answer(); key != dhtKey("nobody's") || v != "" {
			t.Errorf("%q: %q", key, v)
		}
	}
	if asked.Load() == 0 {
		t.Error("nobody has asked the hostile")
	}
}
