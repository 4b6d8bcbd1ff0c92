// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"math/rand/v2"
	"slices"
	"time"
)

// run is a call on its way: where its attempts have gone and may go. It is not safe for concurrent
// use.
type run struct {
	call     *call
	deadline time.Time
	tried    []visit
	first    [2]visit // where tried begins: most calls need no more
}

func newRun(call *call, deadline time.Time) *run {
	created := &run{call: call, deadline: deadline}
	created.tried = created.first[:0]
	return created
}

// visit is an attempt at a backend.
type visit struct {
	at        *backend
	number    int       // of the attempt, from 1
	notBefore time.Time // the server asked for this much patience
}

// choice is where the next attempt goes, and when at the earliest.
type choice struct {
	to       *backend
	notUntil time.Time // zero = at once
	isFresh  bool      // in service, and not tried by this call
	isProbe  bool      // finds out if the backend is back
}

// forgo says that the attempt is not made.
func (c choice) forgo() {
	if c.isProbe {
		c.to.forgoProbe()
	}
}

// next chooses among the backends: one that is due to be probed; else, of two in service taken at
// random that the call has not tried, the one with the lower cost; else one that was tried, not
// before pause and the server's own advice; else, if none is in service, the one that is due back
// first. There is at least one backend.
func (r *run) next(backends []*backend, now time.Time, pause time.Duration) choice {
	if len(backends) == 1 && len(r.tried) == 0 {
		return choice{to: backends[0], isFresh: true, isProbe: backends[0].probe(now)}
	}
	var fresh, used []*backend
	var first *backend // to be back
	var firstBack time.Time
	for _, each := range backends {
		state, back := each.standingAt(now)
		hasTried := r.hasTried(each)
		switch {
		case state == due && !hasTried && each.probe(now):
			return choice{to: each, isFresh: true, isProbe: true}
		case state == inService && !hasTried:
			fresh = append(fresh, each)
		case state == inService:
			used = append(used, each)
		case first == nil || hasTried == r.hasTried(first) && back.Before(firstBack),
			r.hasTried(first) && !hasTried:
			first, firstBack = each, back
		}
	}
	if len(fresh) > 0 {
		return choice{to: cheaperOfTwo(fresh, now), isFresh: true}
	}
	if len(used) > 0 {
		return r.again(used, now.Add(pause))
	}
	chosen := choice{to: first}
	if r.hasTried(first) {
		chosen = r.again([]*backend{first}, now.Add(pause))
	}
	chosen.isProbe = first.probe(now)
	return chosen
}

// again chooses among backends that were tried the one that may be tried first.
func (r *run) again(used []*backend, earliest time.Time) choice {
	best := choice{}
	for _, each := range used {
		notUntil := earliest
		for _, visited := range r.tried {
			if visited.at == each && visited.notBefore.After(notUntil) {
				notUntil = visited.notBefore
			}
		}
		if best.to == nil || notUntil.Before(best.notUntil) {
			best = choice{to: each, notUntil: notUntil}
		}
	}
	return best
}

func (r *run) hasTried(candidate *backend) bool {
	return slices.ContainsFunc(r.tried, func(each visit) bool { return each.at == candidate })
}

// attempts is how many attempts were begun.
func (r *run) attempts() int { return len(r.tried) }

// visit notes that an attempt begins.
func (r *run) visit(at *backend) visit {
	begun := visit{at: at, number: len(r.tried) + 1}
	r.tried = append(r.tried, begun)
	return begun
}

// ended notes for how long a server wants to be left alone after an attempt.
func (r *run) ended(at *backend, patience time.Duration) {
	for index := range r.tried {
		if r.tried[index].at == at {
			r.tried[index].notBefore = time.Now().Add(patience)
		}
	}
}

// cheaperOfTwo is the power of two choices: it spreads calls by load without sending all of them to
// the one backend that looks best at the moment.
func cheaperOfTwo(candidates []*backend, now time.Time) *backend {
	if len(candidates) == 1 {
		return candidates[0]
	}
	first := rand.IntN(len(candidates))
	second := rand.IntN(len(candidates) - 1)
	if second >= first {
		second++
	}
	if candidates[second].cost(now) < candidates[first].cost(now) {
		return candidates[second]
	}
	return candidates[first]
}
