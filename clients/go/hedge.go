// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	latenciesKept     = 256
	latenciesMin      = 32 // fewer say nothing about a quantile
	latenciesPerSort  = 32
	hedgedQuantile    = 0.95
	hedgeDelayUnknown = -1
)

// latencies knows the quantile of the latest latencies after which calls are hedged. It is safe for
// concurrent use.
type latencies struct {
	isUsed bool

	mutex    sync.Mutex // guards the fields below
	recent   [latenciesKept]time.Duration
	count    int
	quantile time.Duration
}

func newLatencies(isUsed bool) *latencies {
	return &latencies{isUsed: isUsed, quantile: hedgeDelayUnknown}
}

func (l *latencies) add(latency time.Duration) {
	if !l.isUsed {
		return
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.recent[l.count%latenciesKept] = latency
	l.count++
	if l.count < latenciesMin || l.count%latenciesPerSort != 0 {
		return
	}
	sorted := slices.Clone(l.recent[:min(l.count, latenciesKept)])
	slices.Sort(sorted)
	l.quantile = sorted[int(hedgedQuantile*float64(len(sorted)))]
}

// delay is how long to wait before a hedge; negative if not enough is known.
func (l *latencies) delay() time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.quantile
}

// ending is how an attempt of a hedged call ended.
type ending struct {
	at    *backend
	reply any
	err   error
}

// runHedged makes a first attempt, and if that takes long a second one at another server; the first
// good answer wins. If there is none, the call goes on as others do.
func (c *Client) runHedged(ctx context.Context, run *run) (any, error) {
	delay := c.options.HedgeDelay
	if delay == 0 {
		delay = c.latencies.delay()
	}
	if delay < 0 || c.resolver.count() < 2 {
		return c.runAttempts(ctx, run, nil)
	}
	first, err := c.choose(ctx, run)
	if err != nil {
		return nil, err
	}
	attempts, cancel := context.WithCancelCause(ctx)
	defer cancel(errHedged)
	ended := make(chan ending, 2)
	c.startAttempt(attempts, run, first, ended)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for running := 1; running > 0; {
		select {
		case <-timer.C:
			second, isFound := c.chooseHedge(ctx, run)
			if isFound {
				running++
				c.startAttempt(attempts, run, second, ended)
			}
		case one := <-ended:
			running--
			run.ended(one.at, patience(one.err))
			if one.err == nil {
				return one.reply, nil
			}
			err = one.err
		}
	}
	return c.runAttempts(ctx, run, err)
}

// chooseHedge finds a server in service that the call was not sent to, if the budget allows.
func (c *Client) chooseHedge(ctx context.Context, run *run) (choice, bool) {
	if run.attempts() >= c.options.AttemptsMax {
		return choice{}, false
	}
	chosen, err := c.choose(ctx, run)
	if err != nil {
		return choice{}, false
	}
	if !chosen.isFresh || !c.budget.spend() {
		chosen.forgo()
		return choice{}, false
	}
	return chosen, true
}

func (c *Client) startAttempt(ctx context.Context, run *run, chosen choice, ended chan<- ending) {
	limit := c.limits(run, chosen)
	begun := run.visit(chosen.to)
	go func() {
		reply, err := c.attempt(ctx, run.call, begun, limit)
		ended <- ending{begun.at, reply, err}
	}()
}
