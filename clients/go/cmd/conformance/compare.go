// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/thriftscore/thriftscore/clients/go"
	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// compareError returns what is wrong with an error, or with its absence.
func compareError(expect, actual map[string]any, err error) string {
	if err == nil {
		return fmt.Sprintf("expected the error %v, received the result %v", expect["error"], actual)
	}
	code, message, retryable, ofServer := describeError(err)
	if !ofServer || code != expect["error"] {
		return fmt.Sprintf("expected the error %v, received: %v", expect["error"], err)
	}
	if wanted, checked := expect["retryable"]; checked && wanted != retryable {
		return fmt.Sprintf("expected retryable %v, received %v", wanted, retryable)
	}
	words, _ := expect["message_contains"].([]any)
	for _, word := range words {
		if !strings.Contains(message, fmt.Sprint(word)) {
			return fmt.Sprintf("expected %q in the message, received %q", word, message)
		}
	}
	return ""
}

func describeError(err error) (code, message string, retryable, ofServer bool) {
	var answer *thriftscore.ServerError
	if errors.As(err, &answer) {
		return answer.Code.String(), answer.Message, answer.Retryable, true
	}
	var declared *thriftscoreidl.ScoringError
	if errors.As(err, &declared) {
		return declared.Code.String(), declared.Message, declared.Retryable, true
	}
	return "", "", false, false
}

// comparison compares values within a relative tolerance, or exactly where that is 0.
type comparison struct{ tolerance float64 }

// compareResult returns the first difference between a result and what is expected of it.
func compareResult(expect, actual map[string]any) string {
	var rule comparison
	if tolerance, isSet := expect["tolerance"]; isSet {
		var err error
		if rule.tolerance, err = toFloat(tolerance); err != nil {
			return "tolerance: " + err.Error()
		}
	}
	for name, expected := range expect {
		if name == "tolerance" {
			continue
		}
		if problem := rule.compare(name, expected, actual[name]); problem != "" {
			return problem
		}
	}
	return ""
}

// compare returns the first difference at path.
func (c comparison) compare(path string, expected, actual any) string {
	switch expected := expected.(type) {
	case map[string]any:
		return c.compareObject(path, expected, actual)
	case []any:
		return c.compareList(path, expected, actual)
	case json.Number, string:
		if c.sameScalar(expected, actual) {
			return ""
		}
	default:
		if expected == actual {
			return ""
		}
	}
	return fmt.Sprintf("%s: expected %v, received %v", path, expected, actual)
}

func (c comparison) compareObject(path string, expected map[string]any, actual any) string {
	if members, isContains := expected["contains"].([]any); isContains {
		return c.compareMembers(path, members, actual)
	}
	if least, isBound := expected["at_least"]; isBound {
		return compareBound(path, least, actual)
	}
	object, isObject := actual.(map[string]any)
	if !isObject || strings.HasSuffix(path, "labels") && len(object) != len(expected) {
		return fmt.Sprintf("%s: expected %v, received %v", path, expected, actual)
	}
	for name, value := range expected {
		if problem := c.compare(path+"."+name, value, object[name]); problem != "" {
			return problem
		}
	}
	return ""
}

func (c comparison) compareList(path string, expected []any, actual any) string {
	list, isList := actual.([]any)
	if !isList || len(list) != len(expected) {
		return fmt.Sprintf("%s: expected %d elements, received %v", path, len(expected), actual)
	}
	for index := range expected {
		place := fmt.Sprintf("%s[%d]", path, index)
		if problem := c.compare(place, expected[index], list[index]); problem != "" {
			return problem
		}
	}
	return ""
}

func (c comparison) compareMembers(path string, members []any, actual any) string {
	list, _ := actual.([]any)
	for _, member := range members {
		isMember := func(element any) bool { return c.compare(path, member, element) == "" }
		if !slices.ContainsFunc(list, isMember) {
			return fmt.Sprintf("%s: expected the member %v, received %v", path, member, actual)
		}
	}
	return ""
}

func compareBound(path string, least, actual any) string {
	bound, err := toFloat(least)
	count, isCount := actual.(int64)
	if err != nil || !isCount || float64(count) < bound {
		return fmt.Sprintf("%s: expected at least %v, received %v", path, least, actual)
	}
	return ""
}

// sameScalar compares a JSON number or string with an int64, a float64 or a string.
func (c comparison) sameScalar(expected, actual any) bool {
	switch actual := actual.(type) {
	case int64:
		return fmt.Sprint(expected) == strconv.FormatInt(actual, 10)
	case float64:
		wanted, err := toFloat(expected)
		return err == nil && c.sameFloat(wanted, actual)
	default:
		return expected == actual
	}
}

func (c comparison) sameFloat(expected, actual float64) bool {
	if math.IsNaN(expected) || math.IsInf(expected, 0) {
		return expected == actual || math.IsNaN(expected) && math.IsNaN(actual)
	}
	if c.tolerance == 0 {
		return expected == actual
	}
	return math.Abs(actual-expected) <= c.tolerance*math.Max(1, math.Abs(expected))
}

// toFloat reads a number of a case: a JSON number, "NaN", "Infinity" or "-Infinity".
func toFloat(value any) (float64, error) {
	switch value := value.(type) {
	case json.Number:
		return value.Float64()
	case string:
		switch value {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
	}
	return 0, fmt.Errorf("expected a number, received %v", value)
}
