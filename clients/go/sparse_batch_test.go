// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// sparseEcho answers ScoreSparse with as many columns as it has, of FP64: the first is the sum of
// the values of a row, the others are 0. It keeps how large requests were and what they asked for.
type sparseEcho struct {
	idl.ScoringService
	columns int
	refused float64 // a sum that is refused
	moved   string  // the version that answers once there was a first request

	mutex    sync.Mutex
	versions map[string]int
	rows     []int
	largest  int // bytes of the arrays of a request
}

func (s *sparseEcho) ScoreSparse(_ context.Context, request *idl.SparseScoreRequest) (
	*idl.ScoreResponse, error) {
	offsets := make([]int64, len(request.Indptr)/offsetBytes)
	if _, err := binary.Decode(request.Indptr, binary.LittleEndian, offsets); err != nil ||
		offsets[0] != 0 || offsets[len(offsets)-1]*indexBytes != int64(len(request.Indices)) {
		return nil, &idl.ScoringError{Message: fmt.Sprintf("offsets %v", offsets)}
	}
	values := decodeFloats(request.Values, 4, len(request.Values)/4)
	scores := make([]float64, (len(offsets)-1)*s.columns)
	for row, end := range offsets[1:] {
		sum := 0.0
		for _, value := range values[offsets[row]:end] {
			sum += value
		}
		if s.refused > 0 && sum == s.refused {
			return nil, &idl.ScoringError{Code: idl.ErrorCode_INVALID_ARGUMENT, Message: "refused"}
		}
		scores[row*s.columns] = sum
	}
	return &idl.ScoreResponse{
		Scores: bytesOf(scores), Datatype: FP64, Rows: int64(len(offsets) - 1),
		Columns: int32(s.columns), ModelVersion: s.keep(request),
	}, nil
}

// keep returns the version that answers.
func (s *sparseEcho) keep(request *idl.SparseScoreRequest) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	version := "7"
	if len(s.rows) > 0 && s.moved != "" {
		version = s.moved
	}
	if s.versions == nil {
		s.versions = map[string]int{}
	}
	s.versions[request.ModelVersion]++
	s.rows = append(s.rows, len(request.Indptr)/offsetBytes-1)
	s.largest = max(s.largest, len(request.Indptr)+len(request.Indices)+len(request.Values))
	return version
}

// sparseNumbered has in each row, by turns, no values, its number, and its number in two values.
func sparseNumbered(rows int) CSR[float32] {
	matrix := CSR[float32]{Indptr: make([]int64, 1, rows+1)}
	for row := range rows {
		for index := range row % 3 {
			matrix.Indices = append(matrix.Indices, int32(index))
			matrix.Values = append(matrix.Values, float32(row)/float32(row%3))
		}
		matrix.Indptr = append(matrix.Indptr, int64(len(matrix.Values)))
	}
	return matrix
}

func expectSparseNumbers(t *testing.T, result *Result, rows, columns int) {
	t.Helper()
	if result.Rows != rows || result.Columns != columns || len(result.Values) != rows*columns ||
		result.ModelVersion != "7" {
		t.Fatalf("received %d x %d by %s", result.Rows, result.Columns, result.ModelVersion)
	}
	for row := range rows {
		expected := float64(row)
		if row%3 == 0 {
			expected = 0
		}
		if score := result.Row(row)[0]; score != expected {
			t.Fatalf("row %d has the score %v", row, score)
		}
	}
}

func TestSparseBatchIsSplitAndJoinedInOrder(t *testing.T) {
	const rows = 60_000
	handler := &sparseEcho{columns: 1}
	first, second := newScriptedServer(t, handler), newScriptedServer(t, handler)
	var mutex sync.Mutex
	deadlines := map[time.Time]bool{}
	client := newClient(t, first.endpoint()+","+second.endpoint(), Options{
		Timeout: schedulingSlack, ChunkRows: 3000,
		Interceptors: []Interceptor{func(ctx context.Context, _ CallInfo,
			next func(context.Context) error) error {
			deadline, _ := ctx.Deadline()
			mutex.Lock()
			deadlines[deadline] = true
			mutex.Unlock()
			return next(ctx)
		}},
	})
	result, err := client.ScoreSparseBatch(context.Background(), "m", sparseNumbered(rows),
		WithVersion("stable"))
	if err != nil {
		t.Fatal(err)
	}
	expectSparseNumbers(t, result, rows, 1)
	if handler.versions["stable"] != 1 || handler.versions["7"] != 20 ||
		handler.rows[0] != firstChunkRows || slices.Max(handler.rows) != 3000 {
		t.Errorf("asked for %v in chunks of %v rows", handler.versions, handler.rows)
	}
	if first.connections() == 0 || second.connections() == 0 {
		t.Error("one server got all of them")
	}
	if len(deadlines) != 1 || deadlines[time.Time{}] {
		t.Errorf("expected one deadline for the whole batch, received %v", deadlines)
	}
}

// The limit holds for requests with many values, with many rows, and for replies of many columns.
func TestSparseBatchFitsTheFrameLimit(t *testing.T) {
	const frameBytesMax = 200_000
	values := func(rows, each int) CSR[float32] {
		matrix := CSR[float32]{
			Indptr:  make([]int64, rows+1),
			Indices: make([]int32, rows*each),
			Values:  make([]float32, rows*each),
		}
		for row := range matrix.Indptr {
			matrix.Indptr[row] = int64(row * each)
		}
		return matrix
	}
	for name, try := range map[string]struct {
		columns  int
		features CSR[float32]
	}{
		"values":  {1, values(5000, 100)},
		"offsets": {1, values(50_000, 0)},
		"both":    {1, values(50_000, 1)},
		"scores":  {20, values(50_000, 0)},
	} {
		handler := &sparseEcho{columns: try.columns}
		client := newClient(t, newScriptedServer(t, handler).endpoint(), Options{
			Timeout: schedulingSlack, FrameBytesMax: frameBytesMax,
		})
		result, err := client.ScoreSparseBatch(context.Background(), "m", try.features)
		if err != nil || result.Rows != len(try.features.Indptr)-1 {
			t.Fatalf("%s: received %v", name, err)
		}
		reply := slices.Max(handler.rows) * try.columns * 8
		if limit := frameBytesMax - chunkOverheadBytes + offsetBytes; handler.largest > limit ||
			reply > limit {
			t.Errorf("%s: %d bytes of a request, %d of scores", name, handler.largest, reply)
		}
	}
}

func TestSparseBatchFailsIfAChunkDoes(t *testing.T) {
	const refused = firstChunkRows + 2002
	server := newScriptedServer(t, &sparseEcho{columns: 1, refused: refused})
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack, ChunkRows: 2000})
	_, err := client.ScoreSparseBatch(context.Background(), "m", sparseNumbered(50_000))
	var answer *ServerError
	if !errors.As(err, &answer) || !errors.Is(err, ErrInvalidArgument) ||
		answer.Method != "score_sparse" {
		t.Errorf("expected the error of the chunk, received %v", err)
	}
}

func TestSparseBatchOfTwoVersionsIsRefused(t *testing.T) {
	server := newScriptedServer(t, &sparseEcho{columns: 1, moved: "8"})
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack, ChunkRows: 2000})
	_, err := client.ScoreSparseBatch(context.Background(), "m", sparseNumbered(10_000))
	var failure *TransportError
	if !errors.As(err, &failure) || !errors.Is(err, ErrProtocolViolation) ||
		failure.Method != "score_sparse" {
		t.Errorf("expected ErrProtocolViolation, received %v", err)
	}
}

func TestSmallAndEmptySparseBatchesAreOneRequest(t *testing.T) {
	handler := &sparseEcho{columns: 1}
	client := newClient(t, newScriptedServer(t, handler).endpoint(), Options{
		Timeout: schedulingSlack,
	})
	for _, rows := range []int{0, 1, firstChunkRows} {
		result, err := client.ScoreSparseBatch(context.Background(), "m", sparseNumbered(rows))
		if err != nil {
			t.Fatal(err)
		}
		expectSparseNumbers(t, result, rows, 1)
	}
	if !slices.Equal(handler.rows, []int{0, 1, firstChunkRows}) {
		t.Errorf("sent %v rows", handler.rows)
	}
}

// A row of no more than the frame is sent alone; a larger one cannot be sent.
func TestSparseRowAboveTheByteLimitIsAlone(t *testing.T) {
	handler := &sparseEcho{columns: 1}
	client := newClient(t, newScriptedServer(t, handler).endpoint(), Options{
		Timeout: schedulingSlack, FrameBytesMax: 20_000,
	})
	features := CSR[float32]{
		Indptr:  []int64{0, 1, 1901, 1902}, // of 8,000 bytes for values, 15,200
		Indices: make([]int32, 1902),
		Values:  make([]float32, 1902),
	}
	result, err := client.ScoreSparseBatch(context.Background(), "m", features)
	if err != nil || result.Rows != 3 || !slices.Equal(handler.rows, []int{1, 1, 1}) {
		t.Errorf("sent %v rows, received %v", handler.rows, err)
	}
	features = CSR[float32]{
		Indptr: []int64{0, 3000}, Indices: make([]int32, 3000), Values: make([]float32, 3000),
	}
	_, err = client.ScoreSparseBatch(context.Background(), "m", features)
	if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "FrameBytesMax") {
		t.Errorf("expected a message about FrameBytesMax, received %v", err)
	}
}

func TestSparseArraysThatAreNoMatrixAreRefusedUnsent(t *testing.T) {
	client := newClient(t, "127.0.0.1:1", Options{})
	for _, wrong := range []struct {
		indptr  []int64
		values  int
		message string
	}{
		{nil, 2, "Indptr: expected rows + 1 offsets from 0, received none"},
		{[]int64{}, 2, "received none"},
		{[]int64{1, 2}, 2, "Indptr: expected rows + 1 offsets from 0, received 1"},
		{[]int64{-1, 2}, 2, "received -1"},
		{[]int64{0, 2, 1, 2}, 2, "never fall, received 2 and then 1 for row 1"},
		{[]int64{0, 9, 2}, 2, "never fall, received 9 and then 2 for row 1"},
		{[]int64{0, -5, 2}, 2, "never fall, received 0 and then -5 for row 0"},
		{[]int64{0, 1, 3}, 2, "last offset to be 2, the number of Indices, received 3"},
		{[]int64{0, 1 << 62}, 2, "last offset to be 2"},
		{[]int64{0, 1}, 2, "last offset to be 2, the number of Indices, received 1"},
		{[]int64{0}, 2, "last offset to be 2, the number of Indices, received 0"},
		{[]int64{0, 2}, 1, "Values: expected 2, one for each of Indices, received 1"},
		{[]int64{0, 2}, 3, "Values: expected 2, one for each of Indices, received 3"},
	} {
		_, err := client.ScoreSparseBatch(context.Background(), "m", CSR[float64]{
			Indptr: wrong.indptr, Indices: []int32{0, 1}, Values: make([]float64, wrong.values),
		})
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), wrong.message) {
			t.Errorf("%v: expected %q, received %v", wrong.indptr, wrong.message, err)
		}
	}
	if _, err := client.ScoreSparseBatch(context.Background(), "m", nil); !errors.Is(
		err, ErrInvalidArgument) {
		t.Errorf("no features: received %v", err)
	}
}

// Chunks of random matrices under random limits hold every row once, are as large as they may be,
// and put together are the matrix.
func TestSparseChunksCoverAllRowsWithinTheirLimits(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 13))
	for range 2000 {
		matrix := randomCSR(random)
		rows := len(matrix.Indptr) - 1
		limits := chunkLimits{1 + random.IntN(40), 1 + random.IntN(2000)}
		joined := CSR[float64]{Indptr: []int64{0}}
		for begin := 0; begin < rows; {
			end := matrix.endOfChunk(begin, limits.rows, limits.bytes)
			if end <= begin || end > rows {
				t.Fatalf("%+v: a chunk of rows %d to %d of %d", limits, begin, end, rows)
			}
			limits.expect(t, matrix, begin, end)
			chunk := matrix.slice(begin, end).(CSR[float64])
			if count, err := chunk.countRows(); err != nil || count != end-begin {
				t.Fatalf("rows %d to %d became %d, %v", begin, end, count, err)
			}
			for _, offset := range chunk.Indptr[1:] {
				joined.Indptr = append(joined.Indptr, int64(len(joined.Values))+offset)
			}
			joined.Indices = append(joined.Indices, chunk.Indices...)
			joined.Values = append(joined.Values, chunk.Values...)
			begin = end
		}
		if !slices.Equal(joined.Indptr, matrix.Indptr) || !slices.Equal(joined.Values, matrix.Values) ||
			!slices.Equal(joined.Indices, matrix.Indices) {
			t.Fatalf("%+v: %v became %v", limits, matrix.Indptr, joined.Indptr)
		}
		if end := matrix.endOfChunk(rows, limits.rows, limits.bytes); end != rows {
			t.Fatalf("a chunk after the last row ends at %d of %d", end, rows)
		}
	}
}

// randomCSR has up to 120 rows: empty ones, short ones and a few long ones.
func randomCSR(random *rand.Rand) CSR[float64] {
	matrix := CSR[float64]{Indptr: []int64{0}}
	for range random.IntN(121) {
		longest := []int{0, 0, 3, 150}[random.IntN(4)]
		for range random.IntN(longest + 1) {
			matrix.Indices = append(matrix.Indices, int32(len(matrix.Indices)))
			matrix.Values = append(matrix.Values, random.Float64())
		}
		matrix.Indptr = append(matrix.Indptr, int64(len(matrix.Values)))
	}
	return matrix
}

type chunkLimits struct{ rows, bytes int }

// expect checks that a chunk is within the limits, or one row, and that one row more would not be.
func (l chunkLimits) expect(t *testing.T, matrix CSR[float64], begin, end int) {
	t.Helper()
	isWithin := func(end int) bool {
		values := int(matrix.Indptr[end] - matrix.Indptr[begin])
		return end-begin <= l.rows && (end-begin)*offsetBytes <= l.bytes/2 &&
			values*(indexBytes+8) <= l.bytes/2
	}
	if end > begin+1 && !isWithin(end) {
		t.Fatalf("%+v: rows %d to %d are above a limit", l, begin, end)
	}
	if end < len(matrix.Indptr)-1 && isWithin(end+1) {
		t.Fatalf("%+v: rows %d to %d could be one more", l, begin, end)
	}
}
