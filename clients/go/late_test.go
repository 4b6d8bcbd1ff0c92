// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	lateTries   = 100_000
	lateCallers = 32
)

// Many of the calls time out, on connections that others share, at a server that dawdles.
func TestLateReplyIsNeverDeliveredToAnotherCall(t *testing.T) {
	for name, options := range map[string]Options{
		"pipelined":               {ConnectionsMax: 4},
		"one call per connection": {ConnectionsMax: lateCallers, CallsPerConnectionMax: 1},
	} {
		t.Run(name, func(t *testing.T) {
			options.AttemptsMax = 1
			client := newClient(t, dawdlingServer(t), options)
			var answered, late atomic.Int64
			var running sync.WaitGroup
			for caller := range lateCallers {
				running.Go(func() {
					for number := range lateTries / 2 / lateCallers {
						value := float64(caller*lateTries + number)
						switch err := echoWithin(client, value); {
						case err == nil:
							answered.Add(1)
						case errors.Is(err, ErrTimedOut):
							late.Add(1)
						default:
							t.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			t.Logf("%d answered, %d timed out", answered.Load(), late.Load())
		})
	}
}

// echoWithin makes a call with a deadline that is often short; an answer must be to this very call.
func echoWithin(client *Client, value float64) error {
	limit := schedulingSlack
	if rand.IntN(4) == 0 {
		limit = time.Duration(rand.IntN(2000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	scores, err := client.ScoreValues(ctx, "echo", []float64{value})
	if err == nil && (len(scores) != 1 || scores[0] != value) {
		return fmt.Errorf("call %v received the answer %v", value, scores)
	}
	return err
}

// dawdlingServer answers all calls of ScoreValues with one value, in order, some of them late.
func dawdlingServer(t *testing.T) string {
	t.Helper()
	return serveConnections(t, func(connection net.Conn) {
		for {
			request, err := readFrame(connection)
			if err != nil {
				return
			}
			if rand.IntN(8) == 0 {
				time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond)
			}
			if _, err := connection.Write(echoReply(request)); err != nil {
				return
			}
		}
	})
}
