// SPDX-License-Identifier: Apache-2.0

package thriftscore

import "sync/atomic"

const (
	// The budget is counted in thousandths of a token.
	tokenPrice     = 1000
	tokenPerCall   = 100
	tokensAtStart  = 10 * tokenPrice
	tokensCapacity = 100 * tokenPrice
)

// budget bounds the load that retries and hedges add, to a tenth of the calls once those that it
// starts with are spent. It is safe for concurrent use.
type budget struct{ tokens atomic.Int64 }

func newBudget() *budget {
	created := &budget{}
	created.tokens.Store(tokensAtStart)
	return created
}

// earn adds what a call brings in.
func (b *budget) earn() {
	if now := b.tokens.Load(); now < tokensCapacity {
		b.tokens.CompareAndSwap(now, min(now+tokenPerCall, tokensCapacity))
	}
}

// spend takes the price of one more attempt; false if there is not enough.
func (b *budget) spend() bool {
	for {
		now := b.tokens.Load()
		if now < tokenPrice {
			return false
		}
		if b.tokens.CompareAndSwap(now, now-tokenPrice) {
			return true
		}
	}
}
