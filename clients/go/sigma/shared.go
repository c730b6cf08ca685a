package sigma

import (
	"fmt"
	"sync"
)

// Programs for go-sigma-rule-engine have a Ruleset for each goroutine, as it may not be shared there. Here these have
// one client together, so that what they ask travels together, and one sigmac.
var (
	sharing sync.Mutex
	clients = map[string]*sharedClient{}
)

type sharedClient struct {
	users int // under sharing
	once  sync.Once
	made  *client
	err   error
}

// clientFor gives the client of a configuration, and what its user calls once in the end.
func clientFor(config Config, reports bool) (*client, func(), error) {
	if reports {
		made, err := newClient(config)
		if err != nil {
			return nil, nil, err
		}
		return made, sync.OnceFunc(made.close), nil
	}
	key := fmt.Sprintf("%q %q %q %q %q %v %v", config.Socket, config.Pack, config.Command, config.Directory,
		config.Pipelines, config.NoCollapseWS, config.Timeout)
	sharing.Lock()
	of := clients[key]
	if of == nil {
		of = &sharedClient{}
		clients[key] = of
	}
	of.users++
	sharing.Unlock()
	of.once.Do(func() { of.made, of.err = newClient(config) })
	leave := sync.OnceFunc(func() {
		sharing.Lock()
		of.users--
		last := of.users == 0
		if last && clients[key] == of {
			delete(clients, key)
		}
		sharing.Unlock()
		if last && of.made != nil {
			of.made.close()
		}
	})
	if of.err != nil {
		sharing.Lock()
		if clients[key] == of {
			delete(clients, key) // the next one tries anew
		}
		sharing.Unlock()
		leave()
		return nil, nil, of.err
	}
	return of.made, leave, nil
}
