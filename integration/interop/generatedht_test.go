package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/discovery/values"
	"hearsay/node/identity"
)

// Test vectors of values in the distributed hash table. A node says nothing of
// what has expired, so it is asked in a bubble.

func valueSays(r *values.Record, raw []byte) map[string]any {
	digest := sha256.Sum256(raw)
	is := map[string]any{"network": r.Network, "key": octets(r.Key[:]), "sequence": r.Sequence, "created": r.Created.UnixMilli(), "expires": r.Expires.UnixMilli(),
		"signer": r.Signer.String(), "value": octets(r.Value), "digest": octets(digest[:])}
	var places []octets
	for i := range byte(3) {
		place := sha256.Sum256(append(append([]byte("hearsay/place"), i), r.Key[:]...))
		if i > 0 { // in another quarter of the key space than the others
			place[0] = place[0]&0x3f | (places[0][0]&0xc0 ^ i<<6)
		}
		places = append(places, place[:])
	}
	is["places"] = places
	return is
}

// service is values at a node that knows so many others, whom it asks.
func (m *maker) service(id *identity.Identity, near []libpeer.AddrInfo, ask func([]byte) []byte) *values.Service {
	return must[*values.Service](m)(values.New(values.Config{
		Network: "hearsay", Self: id.ID(), Key: id.PrivKey(),
		Nearest: func([32]byte, int) []libpeer.AddrInfo { return near },
		Call:    func(_ context.Context, _ libpeer.AddrInfo, request []byte) ([]byte, error) { return ask(request), nil },
	}))
}

// putBy has a node put a value, and gives it as it travels.
func (m *maker) putBy(id *identity.Identity, key values.Key, value []byte) (r *values.Record, raw []byte) {
	s := m.service(id, nil, nil)
	r = must[*values.Record](m)(s.Put(key, value, time.Hour, 0))
	answer := s.Handle(m.bob.ID(), slices.Concat([]byte{2}, make([]byte, 32), key[:]))
	return r, answer[6:] // no nodes, one record, its length
}

func (m *maker) dht() (list []*vector) {
	key := values.Key(sha256.Sum256([]byte("a key")))
	bob := []libpeer.AddrInfo{{ID: m.bob.ID(), Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.7/tcp/6001")}}}
	m.inBubble(func() {
		one, oneRaw := m.putBy(m.alice, key, []byte("a value"))
		two, twoRaw := m.putBy(m.rsa, key, []byte{0})
		list = append(list,
			&vector{What: "a value", Kind: "record", Bytes: oneRaw, Is: m.json(valueSays(one, oneRaw))},
			&vector{What: "one signed with RSA", Kind: "record", Bytes: twoRaw, Is: m.json(valueSays(two, twoRaw))})
		list = append(list, m.requests(key, bob, valueSays(one, oneRaw))...)

		digest := sha256.Sum256(oneRaw)
		offer := slices.Concat([]byte{4}, key[:], binary.BigEndian.AppendUint64(nil, one.Sequence), digest[:], []byte(one.Signer))
		list = append(list, &vector{What: "would you keep this record?", Kind: "request", Bytes: offer, Is: m.json(map[string]any{
			"asks": "offer", "key": octets(key[:]), "sequence": one.Sequence, "digest": octets(digest[:]), "signer": one.Signer.String()})})

		// The program's answers.
		s := m.service(m.rsa4096, bob, nil)
		says := func(want byte, request []byte) {
			if answer := s.Handle(m.alice.ID(), request); !bytes.Equal(answer, []byte{want}) {
				m.Errorf("to request %d the program says % x, and not %d", request[0], answer, want)
			}
		}
		says(2, offer)
		says(1, append([]byte{3}, oneRaw...))
		says(1, append([]byte{3}, twoRaw...))
		says(1, offer)
		list = append(list, &vector{What: "to get: a node, and the records of two signers", Kind: "answer",
			Bytes: s.Handle(m.alice.ID(), slices.Concat([]byte{2}, make([]byte, 32), key[:])), Is: m.json(map[string]any{
				"nodes":   []any{map[string]any{"peer": m.bob.ID().String(), "addrs": []string{"/ip4/192.0.2.7/tcp/6001"}}},
				"records": []any{valueSays(one, oneRaw), valueSays(two, twoRaw)}})})
	})
	return list
}

// requests are what a node asks that puts a value, and one that gets it.
func (m *maker) requests(key values.Key, near []libpeer.AddrInfo, record map[string]any) (list []*vector) {
	var mu sync.Mutex
	asked := make(map[string]bool)
	nothing := func(request []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		asked[string(request)] = true
		if request[0] == 3 {
			return []byte{1}
		}
		return []byte{0, 0}
	}
	_, _, err := m.service(m.alice, near, nothing).PutNow(context.Background(), key, []byte("a value"), time.Hour, 0)
	if err != nil {
		m.Fatal(err)
	}
	m.service(m.rsa, near, nothing).Get(context.Background(), key)
	mu.Lock()
	defer mu.Unlock()
	places := record["places"].([]octets)
	for _, request := range slices.Sorted(maps.Keys(asked)) {
		b := octets(request)
		v := &vector{Kind: "request", Bytes: b}
		if i := slices.IndexFunc(places, func(p octets) bool { return len(b) > 32 && bytes.Equal(p, b[1:33]) }); b[0] < 3 && i < 0 {
			m.Errorf("the program asks about another place: % x", b)
		}
		switch b[0] {
		case 1:
			v.What, v.Is = "which nodes are near a place?", m.json(map[string]any{"asks": "find", "place": b[1:33]})
		case 2:
			v.What, v.Is = "and what do you have?", m.json(map[string]any{"asks": "get", "place": b[1:33], "key": octets(key[:])})
		case 3:
			v.What, v.Is = "keep this record", m.json(map[string]any{"asks": "put", "record": record})
		}
		list = append(list, v)
	}
	if len(list) != 3+3+1 {
		m.Errorf("%d requests, and not three of find, three of get, and one of put", len(list))
	}
	return list
}
