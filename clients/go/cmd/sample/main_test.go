// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thriftscore/thriftscore/clients/go/internal/serverprocess"
)

func TestSampleScoresAndMeasures(t *testing.T) {
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	t.Run("score prints a line for each row", func(t *testing.T) {
		var output bytes.Buffer
		err := run([]string{"score", "--endpoint", server.Endpoint(), "--model", "linear",
			"100,3,20", "150,4.5,30"}, &output)
		if err != nil {
			t.Fatal(err)
		}
		expected := "[100 3 20] -> [0.25]\n[150 4.5 30] -> [0.625]\n"
		if output.String() != expected {
			t.Errorf("expected %q, received %q", expected, output.String())
		}
	})
	t.Run("bench prints one line of JSON", func(t *testing.T) {
		rows := filepath.Join(t.TempDir(), "rows.csv")
		content := []byte("100,3,20\n150,4.5,30\n37.5,1,99\n")
		if err := os.WriteFile(rows, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var output bytes.Buffer
		err := run([]string{"bench", "--endpoint", server.Endpoint(), "--model", "linear",
			"--rows", rows, "--single", "10"}, &output)
		if err != nil {
			t.Fatal(err)
		}
		expectReport(t, output.String())
	})
	t.Run("compare prints one line of JSON", func(t *testing.T) {
		var output bytes.Buffer
		err := run([]string{"compare", "--endpoint", server.Endpoint(), "--model", "linear",
			"--rounds", "1", "--seconds", "0.05"}, &output)
		if err != nil {
			t.Fatal(err)
		}
		var measured comparison
		err = json.Unmarshal(output.Bytes(), &measured)
		if err != nil || measured.Callers["1"].ThroughputRatio <= 0 ||
			measured.Callers["16"].P50Ratio <= 0 || len(measured.Samples) != 4 {
			t.Errorf("%q: %v", output.String(), err)
		}
	})
}

func expectReport(t *testing.T, line string) {
	t.Helper()
	var measured report
	err := json.Unmarshal([]byte(line), &measured)
	if err != nil || strings.Count(line, "\n") != 1 {
		t.Fatalf("%q: %v", line, err)
	}
	expected := []float64{0.25, 0.625, 0.9666666666666667}
	if measured.Language != "go" || measured.Rows != 3 || len(measured.Scores) != len(expected) {
		t.Fatalf("received %+v", measured)
	}
	for row, scores := range measured.Scores {
		if len(scores) != 1 || math.Abs(scores[0]-expected[row]) > 1e-6 {
			t.Errorf("row %d: expected %v, received %v", row, expected[row], scores)
		}
	}
	if measured.P50Micros <= 0 || measured.P99Micros < measured.P50Micros ||
		measured.RowsPerSecond <= 0 {
		t.Errorf("received %+v", measured)
	}
}

func TestSampleNamesWhatIsWrong(t *testing.T) {
	for expected, arguments := range map[string][]string{
		"usage":          {},
		`"fly"`:          {"fly"},
		"row 1":          {"score", "--model", "m", "1,2", "1,x"},
		"--single":       {"bench", "--single", "0"},
		"no such file":   {"bench", "--rows", "none.csv"},
		"connect failed": {"score", "--endpoint", "unix:/none", "--model", "m", "1"},
	} {
		err := run(arguments, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%q: expected %q in the error, received %v", arguments, expected, err)
		}
	}
}
