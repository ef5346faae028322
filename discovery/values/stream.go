package values

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	kbucket "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// serveTimeout bounds the answering of one request.
	serveTimeout = 5 * time.Second
	// maxServing is how many requests are answered at the same time; streams beyond
	// are reset. At most 70 KiB are read of each.
	maxServing = 256
)

// Protocol is the protocol for values in a network.
func Protocol(name string) protocol.ID {
	return protocol.ID("/hearsay/" + name + "/values/1.0.0")
}

// Attach returns a service that speaks over a host, until [Service.Detach], and
// takes its nodes from a Kademlia routing table. addrs leaves out of what other
// nodes tell the addresses that should not be dialled.
//
// A stream is one request: the asking side sends it and closes its half, and
// reads the answer up to the end.
func Attach(h host.Host, table *kbucket.RoutingTable, name string, addrs func([]ma.Multiaddr) []ma.Multiaddr) (*Service, error) {
	s, err := New(Config{
		Network: name,
		Self:    h.ID(),
		Key:     h.Peerstore().PrivKey(h.ID()),
		Nearest: func(point [32]byte, n int) (near []peer.AddrInfo) {
			for _, id := range table.NearestPeers(point[:], n) {
				near = append(near, peer.AddrInfo{ID: id, Addrs: addrs(h.Peerstore().Addrs(id))})
			}
			return near
		},
		Call: func(ctx context.Context, to peer.AddrInfo, request []byte) ([]byte, error) {
			if known := addrs(to.Addrs); len(known) > 0 {
				h.Peerstore().AddAddrs(to.ID, known, peerstore.TempAddrTTL)
			}
			return exchange(ctx, h, to.ID, Protocol(name), request)
		},
	})
	if err != nil {
		return nil, err
	}
	serving := make(chan struct{}, maxServing)
	h.SetStreamHandler(Protocol(name), func(st network.Stream) {
		select {
		case serving <- struct{}{}:
			defer func() { <-serving }()
		default:
			s.count.busy.Add(1)
			st.Reset()
			return
		}
		if s.serve(st) != nil {
			st.Reset()
		}
	})
	s.detach = func() { h.RemoveStreamHandler(Protocol(name)) }
	return s, nil
}

// Detach stops answering others.
func (s *Service) Detach() {
	if s.detach != nil {
		s.detach()
	}
}

// serve answers the request of one stream.
func (s *Service) serve(st network.Stream) error {
	late := time.AfterFunc(serveTimeout, func() { st.Reset() }) // not every transport knows deadlines
	defer late.Stop()
	request, err := readAtMost(st, maxRequest)
	if err != nil {
		return err
	}
	answer := s.Handle(st.Conn().RemotePeer(), request)
	if answer == nil {
		return errMessage
	}
	if _, err := st.Write(answer); err != nil {
		return err
	}
	return st.Close()
}

// exchange sends a request to a node and reads its answer.
func exchange(ctx context.Context, h host.Host, to peer.ID, p protocol.ID, request []byte) ([]byte, error) {
	st, err := h.NewStream(ctx, to, p)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { st.Reset() })
	answer, err := ask(st, request)
	if !stop() {
		return nil, ctx.Err()
	}
	if err != nil {
		st.Reset()
		return nil, err
	}
	st.Close()
	return answer, nil
}

func ask(st network.Stream, request []byte) ([]byte, error) {
	if _, err := st.Write(request); err != nil {
		return nil, err
	}
	if err := st.CloseWrite(); err != nil {
		return nil, err
	}
	return readAtMost(st, maxResponse)
}

// readAtMost reads to the end. Memory grows with what has come, not with what is
// claimed.
func readAtMost(r io.Reader, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", errMessage, limit)
	case len(b) == 0:
		return nil, errors.New("no answer")
	}
	return b, nil
}
