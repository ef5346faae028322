package apibridge_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// Modules that announce again what they are told, in virtual time.

// echoing makes a module re-announce everything it is told, after a while.
func echoing(t *testing.T, m *module, after time.Duration) {
	m.SetDeadline(time.Time{}) // subscribing has set one
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
		if n := p.Count(bridgetest.Announced); n < modules*windows/2 || n > modules*(windows+1) {
			t.Errorf("%d announcements in %d windows by %d modules", n, windows, modules)
		}
	})
}

// Also if all have announced the same bytes by themselves, which earns each some more.
func TestHabit_SlowEchoesOfTheSameGreetingAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := apibridge.DefaultOptions()
		p := servePipes(t, opts)
		var all []*module
		for i := range 5 {
			m := p.subscriber(1)
			echoing(t, m, opts.EchoWindow/2+time.Duration(i)*time.Second)
			all = append(all, m)
		}
		for _, m := range all {
			m.send(&apimsg.Announce{DataType: 1, Data: []byte("hello")})
			m.SetDeadline(time.Time{})
		}
		const windows = 20
		sleep(windows * opts.EchoWindow)
		if n := p.Count(bridgetest.Announced); n <= len(all) || n > len(all)*2*18*(windows+1) {
			t.Errorf("%d announcements in %d windows by %d modules", n, windows, len(all))
		}
	})
}

// Modules that echo and have all announced the same bytes by themselves, a greeting
// for instance: they could go on for ever, each as if it repeated its own.
func TestHabit_EchoingModulesWithTheSameGreeting(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, time.Second, 3 * time.Second, 4900 * time.Millisecond} {
		for _, modules := range []int{2, 3, 10} {
			t.Run(fmt.Sprint(modules, " after ", after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := servePipes(t, apibridge.DefaultOptions())
					var all []*module
					for range modules {
						m := p.subscriber(1)
						echoing(t, m, after)
						all = append(all, m)
					}
					for _, m := range all {
						m.send(&apimsg.Announce{DataType: 1, Data: []byte("hello")})
						m.SetDeadline(time.Time{})
					}
					sleep(6 * time.Minute) // a window's echo and an earned one take turns at most
					n := p.Count(bridgetest.Announced)
					if n <= modules || n > 50*modules {
						t.Errorf("%d greetings became %d", modules, n)
					}
					sleep(time.Hour)
					if more := p.Count(bridgetest.Announced) - n; more != 0 {
						t.Errorf("after six minutes still %d more", more)
					}
				})
			})
		}
	}
}

// A module that repeats its own bytes is not an echo, also when others are,
// more of them or more often than it repeats itself; nor is a second, different message.
func TestHabit_RepeatingOneselfIsNoEcho(t *testing.T) {
	for _, echoers := range []int{1, 2, 3, 5} {
		for _, every := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 7 * time.Second, 15 * time.Second} {
			t.Run(fmt.Sprint(echoers, " echo what comes every ", every), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := servePipes(t, apibridge.DefaultOptions())
					author := p.subscriber(1)
					go io.Copy(io.Discard, author)
					for range echoers {
						echoing(t, p.subscriber(1), time.Second)
					}
					const n = 100
					for range n {
						author.send(&apimsg.Announce{DataType: 1, Data: []byte("still alive")})
						sleep(every)
					}
					var byAuthor, byEchoers int
					for _, e := range p.Events(bridgetest.Announced) {
						if e.Session == 1 {
							byAuthor++
						} else {
							byEchoers++
						}
					}
					windows := int(n*every/(10*time.Second)) + 1
					if byAuthor != n || byEchoers < echoers*windows/2 || byEchoers > echoers*windows {
						t.Errorf("the author was heard %d times of %d, the echoes %d times", byAuthor, n, byEchoers)
					}
				})
			})
		}
	}
}

// That a module is held back is in the log, once a connection.
func TestHabit_EchoIsLogged(t *testing.T) {
	const name = "hearsay/api"
	logging.SetLogLevel(name, "info")
	defer logging.SetLogLevel(name, "fatal")
	pipe := logging.NewPipeReader()
	logged := make(chan string)
	go func() {
		all, _ := io.ReadAll(pipe)
		logged <- string(all)
	}()
	p := serve(t, unpaced())
	for range 2 {
		m := p.subscriber(1)
		for range 3 {
			p.Receive(1, []byte("x"))
			m.expect("x")
		}
		m.send(&apimsg.Announce{DataType: 1, Data: []byte("x")}, &apimsg.Announce{DataType: 1, Data: []byte("x")}, &apimsg.Announce{DataType: 1, Data: []byte("x")})
		p.settle(m)
		m.leave()
	}
	pipe.Close()
	if all := <-logged; strings.Count(all, "held back") != 2 {
		t.Errorf("two connections were held back, and the log says\n%s", all)
	}
	if s := p.srv.Stats(); s.Echoes != 4 {
		t.Errorf("%d echoes held back", s.Echoes)
	}
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
