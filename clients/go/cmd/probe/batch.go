// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/thriftscore/thriftscore/clients/go"
)

const (
	float32Bytes = 4
	float64Bytes = 8
)

// batchSummary is what is printed about a file of rows.
type batchSummary struct {
	Rows         int     `json:"rows"`
	Columns      int     `json:"columns"`
	ModelVersion string  `json:"model_version"`
	Seconds      float64 `json:"seconds"`
	Attempts     int64   `json:"attempts"`
}

// scoreFile scores a file of little-endian float32 rows by one ScoreBatch and writes the scores as
// little-endian float64.
func scoreFile(s settings, options thriftscore.Options, output io.Writer) error {
	rows, err := readRows(s.batchInput, s.columns)
	if err != nil {
		return err
	}
	var attempts atomic.Int64
	options.Observer.Attempt = func(context.Context, thriftscore.AttemptReport) { attempts.Add(1) }
	client, err := thriftscore.New(s.endpoints, options)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	begin := time.Now()
	result, err := client.ScoreBatch(context.Background(), s.model, rows)
	if err != nil {
		return err
	}
	seconds := time.Since(begin).Seconds()
	if err := writeScores(s.batchOutput, result.Values); err != nil {
		return err
	}
	return json.NewEncoder(output).Encode(batchSummary{
		result.Rows, result.Columns, result.ModelVersion, seconds, attempts.Load(),
	})
}

func readRows(file string, columns int) (rows thriftscore.Dense[float32], err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return rows, err
	}
	if columns < 1 || len(content)%(float32Bytes*columns) != 0 {
		return rows, fmt.Errorf("%s: %d bytes are no rows of %d columns", file, len(content), columns)
	}
	values := make([]float32, len(content)/float32Bytes)
	err = binary.Read(bytes.NewReader(content), binary.LittleEndian, values)
	return thriftscore.Dense[float32]{Values: values, Columns: columns}, err
}

func writeScores(file string, scores []float64) error {
	content := make([]byte, 0, float64Bytes*len(scores))
	for _, score := range scores {
		content = binary.LittleEndian.AppendUint64(content, math.Float64bits(score))
	}
	return os.WriteFile(file, content, 0o600)
}
