// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"sync"
	"testing"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// versioned is echo that keeps the versions it was asked for and the bytes of each request.
type versioned struct {
	echo
	mutex    sync.Mutex
	versions map[string]int
	largest  int
	refused  float32 // a first feature that is refused
}

func (v *versioned) Score(ctx context.Context, request *idl.ScoreRequest) (
	*idl.ScoreResponse, error) {
	v.mutex.Lock()
	v.versions[request.ModelVersion]++
	v.largest = max(v.largest, len(request.Features))
	v.mutex.Unlock()
	if first := decodeFloats(request.Features, 4, 1)[0]; v.refused > 0 &&
		first == float64(v.refused) {
		return nil, &idl.ScoringError{Code: idl.ErrorCode_INVALID_ARGUMENT, Message: "refused"}
	}
	return v.echo.Score(ctx, request)
}

func numbered(rows int) Dense[float32] {
	values := make([]float32, rows)
	for row := range values {
		values[row] = float32(row)
	}
	return Dense[float32]{Values: values, Columns: 1}
}

func TestBatchIsSplitAndJoinedInOrder(t *testing.T) {
	const rows = 100_000
	handler := &versioned{versions: map[string]int{}}
	first, second := newScriptedServer(t, handler), newScriptedServer(t, handler)
	client := newClient(t, first.endpoint()+","+second.endpoint(), Options{
		Timeout: schedulingSlack, ChunkRows: 3000,
	})
	result, err := client.ScoreBatch(context.Background(), "m", numbered(rows),
		WithVersion("stable"))
	if err != nil {
		t.Fatal(err)
	}
	if result.Rows != rows || result.Columns != 1 || len(result.Values) != rows ||
		result.ModelVersion != "7" {
		t.Fatalf("received %d x %d by %s", result.Rows, result.Columns, result.ModelVersion)
	}
	for row, score := range result.Values {
		if score != float64(row) {
			t.Fatalf("row %d has the score %v", row, score)
		}
	}
	// The version that scored the first rows scores all others.
	if handler.versions["stable"] != 1 || handler.versions["7"] != 33 ||
		handler.largest != 4*3000 {
		t.Errorf("asked for %v, at most %d bytes", handler.versions, handler.largest)
	}
	if first.connections() == 0 || second.connections() == 0 {
		t.Error("one server got all of them")
	}
}

func TestBatchFitsTheFrameLimit(t *testing.T) {
	handler := &versioned{versions: map[string]int{}}
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{
		Timeout: schedulingSlack, FrameBytesMax: 20_000,
	})
	result, err := client.ScoreBatch(context.Background(), "m", numbered(50_000))
	if err != nil || result.Rows != 50_000 || result.Values[49_999] != 49_999 {
		t.Errorf("received %v", err)
	}
	if handler.largest > 20_000-chunkOverheadBytes {
		t.Errorf("a request had %d bytes of features", handler.largest)
	}
}

func TestBatchFailsIfAChunkDoes(t *testing.T) {
	handler := &versioned{versions: map[string]int{}, refused: firstChunkRows + 2000}
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack, ChunkRows: 2000})
	_, err := client.ScoreBatch(context.Background(), "m", numbered(100_000))
	var answer *ServerError
	if !errors.As(err, &answer) || !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("expected the error of the chunk, received %v", err)
	}
}

func TestSmallAndEmptyBatchesAreOneRequest(t *testing.T) {
	handler := &versioned{versions: map[string]int{}}
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
	for _, features := range []Features{Rows[float32]{{1}, {2}}, Row[float32]{1}} {
		if _, err := client.ScoreBatch(context.Background(), "m", features); err != nil {
			t.Error(err)
		}
	}
	if handler.versions[""] != 2 {
		t.Errorf("asked for %v", handler.versions)
	}
	if _, err := client.ScoreBatch(context.Background(), "m", nil); !errors.Is(
		err, ErrInvalidArgument) {
		t.Errorf("received %v", err)
	}
}
