// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"testing"
	"time"
)

func backendsFor(t *testing.T, names ...string) []*backend {
	t.Helper()
	options, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	var made []*backend
	for _, name := range names {
		at := located{address{"tcp", name, name}, name, name}
		made = append(made, newBackend(at, newCodec(options)))
	}
	return made
}

func TestBalancerPrefersWhatIsFasterAndHasLessToDo(t *testing.T) {
	now := time.Now()
	backends := backendsFor(t, "fast", "slow")
	backends[0].succeeded(now, time.Millisecond)
	backends[1].succeeded(now, 10*time.Millisecond)
	for range 20 {
		if chosen := new(run).next(backends, now, 0); chosen.to != backends[0] {
			t.Fatalf("chose %s", chosen.to.name)
		}
	}
	backends[0].outstanding.Store(20)
	if chosen := new(run).next(backends, now, 0); chosen.to != backends[1] {
		t.Errorf("chose %s, which has 20 calls", chosen.to.name)
	}
}

// What was slow once must not be left alone for ever.
func TestBalancerForgetsLatencies(t *testing.T) {
	now := time.Now()
	slow := backendsFor(t, "slow")[0]
	slow.succeeded(now, 10*time.Millisecond)
	if later := slow.cost(now.Add(20 * latencyHalfLife)); later > slow.cost(now)/1000 {
		t.Errorf("%v is still %v", slow.cost(now), later)
	}
}

func TestCallGoesToServersThatItHasNotTried(t *testing.T) {
	now := time.Now()
	backends := backendsFor(t, "a", "b", "c")
	tried := new(run)
	seen := map[*backend]bool{}
	for range backends {
		chosen := tried.next(backends, now, time.Second)
		if seen[chosen.to] || !chosen.isFresh || !chosen.notUntil.IsZero() {
			t.Fatalf("chose %s again", chosen.to.name)
		}
		seen[chosen.to] = true
		tried.visit(chosen.to)
	}
	if again := tried.next(backends, now, time.Second); !again.notUntil.Equal(now.Add(time.Second)) {
		t.Errorf("the next attempt is at %v", again.notUntil)
	}
}

// Of servers that are all out of service, the one that this call has just failed at is the last
// choice, even if it is due back first.
func TestServerThatIsOutAndUntriedComesBeforeOneThatWasTried(t *testing.T) {
	now := time.Now()
	backends := backendsFor(t, "tried", "long out")
	tried := new(run)
	tried.visit(backends[0])
	for range 5 {
		backends[1].ejectedUntil = time.Time{}
		backends[1].failed(now, &TransportError{Op: "connect", Err: ErrConnectFailed})
	}
	backends[0].failed(now, &TransportError{Op: "connect", Err: ErrConnectFailed})
	if chosen := tried.next(backends, now, 0); chosen.to != backends[1] {
		t.Errorf("chose %s", chosen.to.name)
	}
}

func TestServerThatIsDueIsProbedByOneCall(t *testing.T) {
	now := time.Now()
	backends := backendsFor(t, "down", "up")
	pause := backends[0].failed(now, &TransportError{Op: "connect", Err: ErrConnectFailed})
	if pause < ejectionMin/2 || pause > ejectionMin*2 {
		t.Errorf("out for %v", pause)
	}
	for range 10 {
		if chosen := new(run).next(backends, now, 0); chosen.to != backends[1] {
			t.Fatal("a server was chosen that is out of service")
		}
	}
	later := now.Add(pause)
	if chosen := new(run).next(backends, later, 0); chosen.to != backends[0] || !chosen.isProbe {
		t.Fatal("a server that was due was not probed")
	}
	if chosen := new(run).next(backends, later, 0); chosen.to != backends[1] {
		t.Fatal("a server was probed twice")
	}
	second := backends[0].failed(later, &TransportError{Op: "connect", Err: ErrConnectFailed})
	if second < pause {
		t.Errorf("out for %v, after %v", second, pause)
	}
	backends[0].probe(later.Add(second))
	if !backends[0].succeeded(later.Add(second), time.Millisecond) {
		t.Error("a success did not bring the server back")
	}
	if state, _ := backends[0].standingAt(later.Add(second)); state != inService {
		t.Error("it is not in service")
	}
}

func TestThreeFailuresInARowPutAServerOutOfService(t *testing.T) {
	now := time.Now()
	lost := &TransportError{Op: "read", Err: ErrConnectionLost}
	one := backendsFor(t, "one")[0]
	for range 3 {
		for range failuresMax - 1 {
			if one.failed(now, lost) > 0 {
				t.Fatal("out of service too early")
			}
		}
		one.succeeded(now, time.Millisecond)
	}
	for range failuresMax - 1 {
		one.failed(now, lost)
	}
	if one.failed(now, lost) == 0 {
		t.Error("still in service after three failures")
	}
}
