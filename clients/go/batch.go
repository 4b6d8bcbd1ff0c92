// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// firstChunkRows is the size of the first request of a batch, which the others wait for.
	firstChunkRows = 1024
	// chunkOverheadBytes is room for all of a message that is not numbers.
	chunkOverheadBytes = 4096
)

// ScoreBatch is Score for any number of rows. It sends them in requests of Options.ChunkRows at
// most, and no larger than the frame limit allows, several at a time, over all connections and
// servers, and joins the scores in the order of the rows. The first request, of few rows, finds out
// which version of the model scores; all others ask for that version by its number, so one version
// scores all rows. The deadline is that of the whole batch. If any request fails, the batch does.
func (c *Client) ScoreBatch(ctx context.Context, model string, features Features,
	options ...CallOption) (*Result, error) {
	if features == nil {
		return nil, invalid("features are nil")
	}
	shape, err := features.shape()
	if err != nil {
		return nil, err
	}
	if shape.rows <= c.chunkRows(shape.columns, shape.datatype) {
		return c.Score(ctx, model, features, options...)
	}
	if _, hasDeadline := ctx.Deadline(); !hasDeadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.options.Timeout)
		defer cancel()
	}
	batch := &batch{client: c, model: model, features: features, rows: shape.rows, options: options}
	return batch.score(ctx, shape)
}

// chunkRows is how many rows of a matrix fit a message.
func (c *Client) chunkRows(columns int, datatype DataType) int {
	size := max(1, columns) * max(1, elementBytes[datatype])
	fitting := (c.options.FrameBytesMax - chunkOverheadBytes) / size
	return max(1, min(c.options.ChunkRows, fitting))
}

// batch is a ScoreBatch on its way.
type batch struct {
	client   *Client
	model    string
	features Features
	rows     int
	options  []CallOption

	joined    *Result
	chunkRows int
	next      atomic.Int64 // the first row that no goroutine has taken
}

func (b *batch) score(ctx context.Context, shape shape) (*Result, error) {
	b.chunkRows = b.client.chunkRows(shape.columns, shape.datatype)
	begin := min(firstChunkRows, b.chunkRows)
	first, err := b.client.Score(ctx, b.model, b.features.slice(0, begin), b.options...)
	if err != nil {
		return nil, err
	}
	b.chunkRows = min(b.chunkRows, b.client.chunkRows(first.Columns, first.Datatype))
	b.options = append(slices.Clip(b.options), WithVersion(first.ModelVersion))
	b.joined = first
	scores := make([]float64, b.rows*first.Columns)
	copy(scores, first.Values)
	first.Values = scores
	b.next.Store(int64(begin))
	if err := b.scoreRest(ctx); err != nil {
		return nil, err
	}
	first.Rows = b.rows
	return first, nil
}

// scoreRest scores the other chunks, several at a time, until all are or one has failed.
func (b *batch) scoreRest(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	var failed sync.Once
	var failure error
	left := b.rows - int(b.next.Load())
	for range min(b.client.options.ChunksMax, (left+b.chunkRows-1)/b.chunkRows) {
		running.Go(func() {
			if err := b.scoreChunks(ctx); err != nil {
				failed.Do(func() { failure = err })
				cancel()
			}
		})
	}
	running.Wait()
	return failure
}

// scoreChunks scores one chunk after the other, as long as there are any.
func (b *batch) scoreChunks(ctx context.Context) error {
	for {
		end := int(b.next.Add(int64(b.chunkRows)))
		begin := end - b.chunkRows
		if begin >= b.rows {
			return nil
		}
		chunk := b.features.slice(begin, min(end, b.rows))
		scored, err := b.client.Score(ctx, b.model, chunk, b.options...)
		if err != nil {
			return err
		}
		if scored.Columns != b.joined.Columns || scored.ModelVersion != b.joined.ModelVersion {
			return b.mismatch(scored)
		}
		copy(b.joined.Values[begin*scored.Columns:], scored.Values)
	}
}

// mismatch is the error of scores that do not go with those of the first request.
func (b *batch) mismatch(scored *Result) error {
	return &TransportError{
		Op:       "read",
		Endpoint: b.client.endpoints,
		Method:   "score",
		Model:    b.model,
		Err: violation("expected %d columns of version %s, received %d of %s", b.joined.Columns,
			b.joined.ModelVersion, scored.Columns, scored.ModelVersion),
	}
}
