// SPDX-License-Identifier: Apache-2.0

package thriftscore_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/thriftscore/thriftscore/clients/go"
	"github.com/thriftscore/thriftscore/clients/go/internal/serverprocess"
)

// sparseRows are rows of random lengths, every fifth of none and every seventh of all columns, in
// both forms.
func sparseRows[T thriftscore.Float](rows, columns int) (thriftscore.CSR[T], thriftscore.Dense[T]) {
	random := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
	sparse := thriftscore.CSR[T]{Indptr: []int64{0}}
	dense := thriftscore.Dense[T]{Values: make([]T, rows*columns), Columns: columns}
	for row := range rows {
		length := random.IntN(1 + columns/8)
		if row%5 == 0 {
			length = 0
		} else if row%7 == 0 {
			length = columns
		}
		indices := random.Perm(columns)[:length]
		slices.Sort(indices)
		for _, index := range indices {
			value := T(random.NormFloat64() * 10)
			dense.Values[row*columns+index] = value
			sparse.Indices = append(sparse.Indices, int32(index))
			sparse.Values = append(sparse.Values, value)
		}
		sparse.Indptr = append(sparse.Indptr, int64(len(sparse.Values)))
	}
	return sparse, dense
}

// Sparse rows in many chunks, over two servers, have the bits of the same rows sent dense.
func TestSparseBatchHasTheBitsOfDenseRows(t *testing.T) {
	repository := serverprocess.NewRepository(t)
	first := serverprocess.Start(t, repository, 0)
	endpoints := first.Endpoint() + "," + serverprocess.Start(t, repository, 0).Endpoint()
	long, longDense := sparseRows[float32](20_000, 256)
	double, doubleDense := sparseRows[float64](1500, 256)
	narrow, narrowDense := sparseRows[float32](30_000, 4)
	for name, try := range map[string]struct {
		model       string
		sparse      thriftscore.SparseFeatures
		dense       thriftscore.Features
		options     thriftscore.Options
		requestsMin int
	}{
		"chunks by rows": {"wide", long, longDense, thriftscore.Options{ChunkRows: 700}, 28},
		"chunks by bytes, less than a full row": {"wide", double, doubleDense,
			thriftscore.Options{FrameBytesMax: 8192}, 200},
		"several scores a row": {"softmax", narrow, narrowDense,
			thriftscore.Options{FrameBytesMax: 40_000, Protocol: thriftscore.Compact}, 14},
		"precision of the model above that of the rows": {"logistic", narrow, narrowDense,
			thriftscore.Options{ChunkRows: 1000}, 30},
	} {
		t.Run(name, func(t *testing.T) {
			expected := scoreDense(t, first.Endpoint(), try.model, try.dense)
			result, attempts := scoreSparse(t, endpoints, try.options, try.model, try.sparse)
			requests := 0
			for _, count := range attempts {
				requests += count
			}
			if len(attempts) != 2 || requests < try.requestsMin {
				t.Errorf("expected %d requests or more to 2 servers, sent %v", try.requestsMin, attempts)
			}
			sameBits := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
			if result.Rows != expected.Rows || result.Columns != expected.Columns ||
				result.Datatype != expected.Datatype || result.ModelVersion != "1" ||
				!slices.EqualFunc(result.Values, expected.Values, sameBits) {
				t.Errorf("%d x %d scores differ from those of dense rows, %d x %d",
					result.Rows, result.Columns, expected.Rows, expected.Columns)
			}
		})
	}
}

func scoreDense(t *testing.T, endpoint, model string,
	features thriftscore.Features) *thriftscore.Result {
	t.Helper()
	client, err := thriftscore.New(endpoint, thriftscore.Options{Timeout: serverTimeout})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	result, err := client.ScoreBatch(context.Background(), model, features)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// scoreSparse also returns how many requests each server got.
func scoreSparse(t *testing.T, endpoints string, options thriftscore.Options, model string,
	features thriftscore.SparseFeatures) (*thriftscore.Result, map[string]int) {
	t.Helper()
	var mutex sync.Mutex
	attempts := map[string]int{}
	options.Timeout = serverTimeout
	options.Observer.Attempt = func(_ context.Context, report thriftscore.AttemptReport) {
		mutex.Lock()
		defer mutex.Unlock()
		attempts[report.Endpoint]++
	}
	client, err := thriftscore.New(endpoints, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	result, err := client.ScoreSparseBatch(context.Background(), model, features)
	if err != nil {
		t.Fatal(err)
	}
	return result, attempts
}

func TestSparseBatchOfNoRowsAndOfWrongColumns(t *testing.T) {
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	client, ctx := connect(t, server, thriftscore.Binary)
	result, err := client.ScoreSparseBatch(ctx, "softmax",
		thriftscore.CSR[float32]{Indptr: []int64{0}})
	if err != nil || result.Rows != 0 || len(result.Values) != 0 || result.ModelVersion != "1" {
		t.Errorf("no rows: received %+v, %v", result, err)
	}
	// The wrong column is in the last chunk.
	rows, _ := sparseRows[float32](40_000, 4)
	rows.Indices[len(rows.Indices)-1] = 4
	_, err = client.ScoreSparseBatch(ctx, "softmax", rows)
	var answer *thriftscore.ServerError
	if !errors.As(err, &answer) || !errors.Is(err, thriftscore.ErrInvalidArgument) {
		t.Errorf("expected INVALID_ARGUMENT of the server, received %v", err)
	}
}
