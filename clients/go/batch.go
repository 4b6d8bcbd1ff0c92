// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"slices"
	"sync"
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
	rowsMax := c.chunkRows(shape.columns, shape.datatype)
	if shape.rows <= rowsMax {
		return c.Score(ctx, model, features, options...)
	}
	batch := &batch{
		client: c, method: "score", model: model, options: options,
		rows: shape.rows, rowsMax: rowsMax,
		endOfChunk: func(begin, rowsMax int) int { return min(begin+rowsMax, shape.rows) },
		scoreChunk: func(ctx context.Context, begin, end int, options []CallOption) (*Result, error) {
			return c.Score(ctx, model, features.slice(begin, end), options...)
		},
	}
	return batch.score(ctx)
}

// ScoreSparseBatch is ScoreSparse for any number of rows, as ScoreBatch is Score: in several
// requests at a time, by one version, joined in the order of the rows, with one deadline, and
// failing if any request does. A request has Options.ChunkRows rows at most. About half of the
// frame limit is for their offsets, 8 bytes a row, and half for their values, 8 bytes (float32) or
// 12 (float64) each with the index; a row above that is sent alone, and one above the frame limit
// fails the batch with ErrInvalidArgument.
//
// Arrays that are no matrix are refused with ErrInvalidArgument before anything is sent; indices
// that the model does not have, or that do not rise within a row, are refused by the server. A
// server that has to make the rows dense, which it need not for a model that begins with sparse
// weights, bounds rows times features of a request, to 67,108,864 unless it is configured
// otherwise: with more than 4,096 features, Options.ChunkRows must be lower than its default then.
func (c *Client) ScoreSparseBatch(ctx context.Context, model string, features SparseFeatures,
	options ...CallOption) (*Result, error) {
	if features == nil {
		return nil, invalid("features are nil")
	}
	rows, err := features.countRows()
	if err != nil {
		return nil, err
	}
	batch := &batch{
		client: c, method: "score_sparse", model: model, options: options,
		rows: rows, rowsMax: c.options.ChunkRows,
		endOfChunk: func(begin, rowsMax int) int {
			return features.endOfChunk(begin, rowsMax, c.chunkBytes())
		},
		scoreChunk: func(ctx context.Context, begin, end int, options []CallOption) (*Result, error) {
			return c.ScoreSparse(ctx, model, features.slice(begin, end), options...)
		},
	}
	return batch.score(ctx)
}

// chunkBytes is how many bytes of numbers fit a message.
func (c *Client) chunkBytes() int { return max(1, c.options.FrameBytesMax-chunkOverheadBytes) }

// chunkRows is how many rows of a matrix fit a message.
func (c *Client) chunkRows(columns int, datatype DataType) int {
	rowBytes := max(1, columns) * max(1, elementBytes[datatype])
	return max(1, min(c.options.ChunkRows, c.chunkBytes()/rowBytes))
}

// batch is a ScoreBatch or ScoreSparseBatch on its way.
type batch struct {
	client  *Client
	method  string // of the contract, for messages
	model   string // for messages
	options []CallOption
	rows    int
	rowsMax int // in a chunk
	// endOfChunk is the row before which a chunk from begin ends: above begin as long as there
	// are rows, and by rowsMax at most.
	endOfChunk func(begin, rowsMax int) int
	// scoreChunk scores the rows from begin to before end.
	scoreChunk func(ctx context.Context, begin, end int, options []CallOption) (*Result, error)

	joined *Result
	mutex  sync.Mutex
	next   int // the first row that no goroutine has taken
}

// score scores the first chunk, which the others wait for, and then these.
func (b *batch) score(ctx context.Context) (*Result, error) {
	if _, hasDeadline := ctx.Deadline(); !hasDeadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.client.options.Timeout)
		defer cancel()
	}
	b.next = b.endOfChunk(0, min(firstChunkRows, b.rowsMax))
	first, err := b.scoreChunk(ctx, 0, b.next, b.options)
	if err != nil || b.next == b.rows {
		return first, err
	}
	b.rowsMax = min(b.rowsMax, b.client.chunkRows(first.Columns, first.Datatype))
	b.options = append(slices.Clip(b.options), WithVersion(first.ModelVersion))
	b.joined = first
	scores := make([]float64, b.rows*first.Columns)
	copy(scores, first.Values)
	first.Values = scores
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
	for range min(b.client.options.ChunksMax, b.rows-b.next) {
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
		begin, end := b.take()
		if begin == end {
			return nil
		}
		scored, err := b.scoreChunk(ctx, begin, end, b.options)
		if err != nil {
			return err
		}
		if scored.Columns != b.joined.Columns || scored.ModelVersion != b.joined.ModelVersion {
			return b.mismatch(scored)
		}
		copy(b.joined.Values[begin*scored.Columns:], scored.Values)
	}
}

// take returns the rows of the next chunk: none once all are taken.
func (b *batch) take() (begin, end int) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	begin = b.next
	b.next = b.endOfChunk(begin, b.rowsMax)
	return begin, b.next
}

// mismatch is the error of scores that do not go with those of the first request.
func (b *batch) mismatch(scored *Result) error {
	return &TransportError{
		Op:       "read",
		Endpoint: b.client.endpoints,
		Method:   b.method,
		Model:    b.model,
		Err: violation("expected %d columns of version %s, received %d of %s", b.joined.Columns,
			b.joined.ModelVersion, scored.Columns, scored.ModelVersion),
	}
}
