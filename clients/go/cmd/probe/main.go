// SPDX-License-Identifier: Apache-2.0

// Command probe makes calls whose answers it knows, and says how each ended: for tests of what
// becomes of calls while servers fail.
//
//	probe --endpoints A[,B] --model M --calls N | --seconds S [--callers 1] [--timeout-ms 1000]
//	      [--attempts 3] [--pipelined 1] [--expect-sum] [--each]
//
// Every call scores one row [k, 1] with another k; with --expect-sum the answer must be k + 1. With
// --each it prints a line of JSON for every call, and in any case one for all of them at the end.
//
//	probe --endpoints A[,B] --model M --batch-input FILE --columns C --batch-output FILE
//
// scores a file of little-endian float32 rows by one ScoreBatch, into a file of float64.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/thriftscore/thriftscore/clients/go"
)

// numbersPerCaller is how many different k a caller has; all are exact in float32.
const numbersPerCaller = 65_536

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

// settings are the arguments of the command line.
type settings struct {
	endpoints, model                           string
	calls, callers, timeoutMs, attempts, piped int
	seconds                                    float64
	expectsSum, each                           bool
	batchInput, batchOutput                    string
	columns                                    int
}

func parse(arguments []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.StringVar(&s.endpoints, "endpoints", "", "servers, separated by commas")
	flags.StringVar(&s.model, "model", "", "name of a model of two features")
	flags.IntVar(&s.calls, "calls", 0, "how many calls in all")
	flags.Float64Var(&s.seconds, "seconds", 0, "for how long instead")
	flags.IntVar(&s.callers, "callers", 1, "goroutines that call, up to 256")
	flags.IntVar(&s.timeoutMs, "timeout-ms", 1000, "of a call")
	flags.IntVar(&s.attempts, "attempts", 3, "of a call at most")
	flags.IntVar(&s.piped, "pipelined", 1, "0 = one call at a time on a connection")
	flags.BoolVar(&s.expectsSum, "expect-sum", false, "the answer must be the sum of the row")
	flags.BoolVar(&s.each, "each", false, "print every call")
	flags.StringVar(&s.batchInput, "batch-input", "", "file of rows to score instead")
	flags.StringVar(&s.batchOutput, "batch-output", "", "file for the scores")
	flags.IntVar(&s.columns, "columns", 0, "of the rows in the file")
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if s.calls <= 0 && s.seconds <= 0 && s.batchInput == "" {
		return s, errors.New("--calls or --seconds must be above 0, or --batch-input given")
	}
	if s.callers < 1 || s.callers > 256 || s.timeoutMs < 1 || s.attempts < 1 {
		return s, errors.New("--callers must be 1 to 256, --timeout-ms and --attempts at least 1")
	}
	return s, nil
}

func run(arguments []string, output io.Writer) error {
	settings, err := parse(arguments)
	if err != nil {
		return err
	}
	options := thriftscore.Options{
		Timeout:     time.Duration(settings.timeoutMs) * time.Millisecond,
		AttemptsMax: settings.attempts,
		Observer:    thriftscore.Observer{Attempt: countAttempt},
	}
	if settings.piped == 0 {
		options.CallsPerConnectionMax = 1
	}
	if settings.batchInput != "" {
		return scoreFile(settings, options, output)
	}
	client, err := thriftscore.New(settings.endpoints, options)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	probe := &probe{settings: settings, client: client, output: json.NewEncoder(output)}
	return probe.run()
}

// attemptsKey finds in a context where the attempts of its call are counted.
type attemptsKey struct{}

func countAttempt(ctx context.Context, report thriftscore.AttemptReport) {
	if attempts, isCounted := ctx.Value(attemptsKey{}).(*int); isCounted {
		*attempts = max(*attempts, report.Number)
	}
}

// probe makes the calls and sums them up.
type probe struct {
	settings settings
	client   *thriftscore.Client

	mutex  sync.Mutex // guards the fields below
	output *json.Encoder
	sum    summary
}

// line is what --each prints.
type line struct {
	OK       bool    `json:"ok"`
	Correct  bool    `json:"correct"`
	Outcome  string  `json:"outcome"`
	Ms       float64 `json:"ms"`
	Attempts int     `json:"attempts"`
	Message  string  `json:"message"`
}

// summary is what is printed at the end.
type summary struct {
	Calls          int            `json:"calls"`
	OK             int            `json:"ok"`
	Failed         int            `json:"failed"`
	Wrong          int            `json:"wrong"`
	Attempts       int            `json:"attempts"`
	Outcomes       map[string]int `json:"outcomes"`
	MsMax          float64        `json:"ms_max"`
	CallsPerSecond float64        `json:"calls_per_s"`
}

func (p *probe) run() error {
	p.sum.Outcomes = map[string]int{}
	begin := time.Now()
	var running sync.WaitGroup
	for caller := range p.settings.callers {
		running.Go(func() { p.call(caller, begin) })
	}
	running.Wait()
	p.sum.CallsPerSecond = float64(p.sum.Calls) / time.Since(begin).Seconds()
	return p.output.Encode(p.sum)
}

// call makes the calls of one caller.
func (p *probe) call(caller int, begin time.Time) {
	for number := 0; !p.isDone(caller, number, begin); number++ {
		k := float32(caller*numbersPerCaller + number%numbersPerCaller)
		p.note(p.score(k))
	}
}

func (p *probe) isDone(caller, number int, begin time.Time) bool {
	if p.settings.seconds > 0 {
		return time.Since(begin).Seconds() >= p.settings.seconds
	}
	return number*p.settings.callers+caller >= p.settings.calls
}

func (p *probe) score(k float32) line {
	var attempts int
	ctx := context.WithValue(context.Background(), attemptsKey{}, &attempts)
	begin := time.Now()
	result, err := p.client.Score(ctx, p.settings.model, thriftscore.Rows[float32]{{k, 1}})
	made := line{
		OK:       err == nil,
		Outcome:  outcome(err),
		Ms:       float64(time.Since(begin).Microseconds()) / 1e3,
		Attempts: attempts,
	}
	if err != nil {
		made.Message = err.Error()
		return made
	}
	made.Correct = !p.settings.expectsSum ||
		len(result.Values) == 1 && result.Values[0] == float64(k)+1
	if !made.Correct {
		made.Message = fmt.Sprintf("expected %v, received %v", k+1, result.Values)
	}
	return made
}

func (p *probe) note(made line) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.sum.Calls++
	p.sum.Attempts += made.Attempts
	p.sum.Outcomes[made.Outcome]++
	p.sum.MsMax = max(p.sum.MsMax, made.Ms)
	switch {
	case !made.OK:
		p.sum.Failed++
	case made.Correct:
		p.sum.OK++
	default:
		p.sum.OK++
		p.sum.Wrong++
	}
	if p.settings.each {
		_ = p.output.Encode(made)
	}
}

// outcome names how a call ended: OK, a code of the contract, or a kind of transport error.
func outcome(err error) string {
	var answer *thriftscore.ServerError
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &answer):
		return answer.Code.String()
	case errors.Is(err, thriftscore.ErrConnectFailed):
		return "ConnectFailed"
	case errors.Is(err, thriftscore.ErrTimedOut):
		return "TimedOut"
	case errors.Is(err, thriftscore.ErrConnectionLost):
		return "ConnectionLost"
	case errors.Is(err, thriftscore.ErrProtocolViolation):
		return "ProtocolViolation"
	case errors.Is(err, thriftscore.ErrInvalidArgument):
		return "INVALID_ARGUMENT"
	default:
		return "Closed"
	}
}
