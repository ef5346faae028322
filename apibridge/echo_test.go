package apibridge_test

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// Modules that announce again what they are told, in virtual time.

// echoing makes a module re-announce everything it is told, after a while.
func echoing(t *testing.T, m *module, after time.Duration) {
	go func() {
		for {
			msg, err := m.in.Next()
			if err != nil {
				return
			}
			n := msg.(*apimsg.Notification)
			a := &apimsg.Announce{DataType: n.DataType, Data: append([]byte(nil), n.Data...)}
			m.Write(encode(t, &apimsg.Validation{ID: n.ID, Valid: true}))
			time.AfterFunc(after, func() { m.Write(encode(t, a)) })
		}
	}()
}

// Modules that re-announce what they are told, a second later: each is heard
// once, however many they are, and then there is silence.
func TestHabit_EchoingModulesDoNotLoop(t *testing.T) {
	for _, modules := range []int{1, 2, 3, 10} {
		t.Run(fmt.Sprint(modules), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := servePipes(t, apibridge.DefaultOptions())
				for range modules {
					echoing(t, p.subscriber(1), time.Second)
				}
				p.Receive(1, []byte("rumor"))
				sleep(time.Hour)
				if n := p.Count(bridgetest.Announced); n != modules {
					t.Errorf("one rumor became %d more, want %d", n, modules)
				}
				if s := p.srv.Stats(); (s.Echoes == 0) != (modules == 1) {
					t.Errorf("%d echoes held back", s.Echoes)
				}
			})
		})
	}
}

// Slower than the window they go on, once per window and module.
func TestHabit_SlowEchoesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := apibridge.DefaultOptions()
		p := servePipes(t, opts)
		const modules = 5
		for i := range modules {
			echoing(t, p.subscriber(1), opts.EchoWindow+time.Duration(i)*time.Second)
		}
		p.Receive(1, []byte("rumor"))
		const windows = 100
		sleep(windows * opts.EchoWindow)
		if n := p.Count(bridgetest.Announced); n > modules*(windows+1) {
			t.Errorf("%d announcements in %d windows by %d modules", n, windows, modules)
		}
	})
}

// A module that repeats its own bytes is not an echo, also when another
// module is one; nor is a second, different message.
func TestHabit_RepeatingOneselfIsNoEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, apibridge.DefaultOptions())
		author, echoer := p.subscriber(1), p.subscriber(1)
		go io.Copy(io.Discard, author)
		echoing(t, echoer, time.Second)
		const n = 100
		for range n {
			author.send(&apimsg.Announce{DataType: 1, Data: []byte("still alive")})
			sleep(time.Second)
		}
		var byAuthor, byEchoer int
		for _, e := range p.Events(bridgetest.Announced) {
			if e.Session == 1 {
				byAuthor++
			} else {
				byEchoer++
			}
		}
		if byAuthor != n || byEchoer == 0 || byEchoer > n/10+1 {
			t.Errorf("the author was heard %d times of %d, the echo %d times", byAuthor, n, byEchoer)
		}
	})
}

func TestTiming_EchoWindowOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		opts.EchoWindow = -1
		p := servePipes(t, opts)
		m := p.subscriber(1)
		for range 3 {
			p.Receive(1, []byte("x"))
			m.expect("x")
			m.send(&apimsg.Announce{DataType: 1, Data: []byte("x")})
		}
		p.await(bridgetest.Announced, 3)
	})
}
