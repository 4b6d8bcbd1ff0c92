// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"fmt"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// A CallOption changes one call.
type CallOption func(*callSettings)

// callSettings are what a call sends beside its data.
type callSettings struct {
	model   string
	version string
	context *thriftscoreidl.RequestContext // nil where the method has none

	// What context points to, so that it takes one allocation for all.
	ownContext thriftscoreidl.RequestContext
	deadlineMs int32
}

// WithVersion asks for a version of the model by number ("3") or label ("stable") instead of its
// default version.
func WithVersion(version string) CallOption {
	return func(settings *callSettings) { settings.version = version }
}

// WithRequestID names the request, in at most 128 bytes, in the server's logs and in the reply. A
// reply that does not carry the same identifier is refused with ErrProtocolViolation.
func WithRequestID(id string) CallOption {
	return func(settings *callSettings) { settings.context.RequestID = &id }
}

// WithTraceparent sends the W3C Trace Context of the caller's span.
func WithTraceparent(traceparent string) CallOption {
	return func(settings *callSettings) { settings.context.Traceparent = &traceparent }
}

// settings applies the options to a call for a model.
func (c *Client) settings(model string, options []CallOption) *callSettings {
	settings := &callSettings{model: model}
	settings.context = &settings.ownContext
	if c.options.AuthToken != "" {
		settings.context.AuthToken = &c.options.AuthToken
	}
	for _, option := range options {
		option(settings)
	}
	return settings
}

// checkEcho refuses a reply to another request than the one sent.
func (s *callSettings) checkEcho(received *string) error {
	if s.context.RequestID == nil {
		if received == nil {
			return nil
		}
		return violation("expected a reply without request_id, received %.200q", *received)
	}
	return checkEcho("request_id", *s.context.RequestID, received)
}

func checkEcho(field, sent string, received *string) error {
	if received != nil && *received == sent {
		return nil
	}
	found := "none"
	if received != nil {
		found = fmt.Sprintf("%.200q", *received)
	}
	return violation("expected a reply with %s %q, received %s", field, sent, found)
}
