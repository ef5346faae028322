package browser

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
	"hearsay/node/control"
	"hearsay/node/health"
	"hearsay/node/mail"
	"hearsay/node/shared"
)

// quiet is the part of a made-up node that nothing happens in.
type quiet struct {
	state    []shared.Entry
	findings []health.Finding
	values   []node.Value
}

func (q quiet) Findings() []health.Finding { return q.findings }
func (quiet) Reach() health.Reach          { return health.Reach{} }

func (quiet) PutValue(context.Context, node.ValueKey, []byte, time.Duration) (node.Value, error) {
	return node.Value{Expires: time.Now().Add(time.Hour), Copies: 7}, nil
}
func (q quiet) GetValues(context.Context, node.ValueKey) []node.Value { return q.values }

func (quiet) Send(context.Context, []peer.ID, []byte, mail.Options) (mail.Sent, error) {
	return mail.Sent{}, mail.ErrNobody
}
func (quiet) Sent(mail.ID) (mail.Sent, bool)                 { return mail.Sent{}, false }
func (quiet) Inbox(uint64) control.MailReader                { return silence[mail.Event]{} }
func (quiet) InboxNew() control.MailReader                   { return silence[mail.Event]{} }
func (quiet) SetState(context.Context, string, []byte) error { return nil }
func (quiet) DeleteState(context.Context, string) error      { return nil }
func (q quiet) State(peer.ID, string) []shared.Entry         { return q.state }
func (quiet) WatchState() control.StateWatcher               { return silence[shared.Change]{} }

// silence is a reader of what never comes.
type silence[T any] struct{}

func (silence[T]) Next(ctx context.Context) (v T, err error) {
	<-ctx.Done()
	return v, ctx.Err()
}
func (silence[T]) Close() {}

// says is what peers share, made up.
func says(n int, texts []string) (all []shared.Entry) {
	for i := range n {
		text := texts[i%len(texts)]
		all = append(all, shared.Entry{Peer: peerID(i), Key: string([]rune(text)[:min(len([]rune(text)), 40)]), Value: []byte(text), Set: time.Now(), Expires: time.Now().Add(time.Hour)})
	}
	return all
}
