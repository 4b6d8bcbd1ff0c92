// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// What a server says of itself and of its models.
type (
	// ServerMetadata is what a server is.
	ServerMetadata = thriftscoreidl.ServerMetadata
	// ModelMetadata is what a version of a model is: inputs, outputs, features, classes.
	ModelMetadata = thriftscoreidl.ModelMetadata
	// TensorMetadata is name, type and shape of an input or output of a model.
	TensorMetadata = thriftscoreidl.TensorMetadata
	// ModelStatistics are those of one version since it was loaded.
	ModelStatistics = thriftscoreidl.ModelStatistics
)

// Ping returns nil while the server takes requests. It is ErrUnavailable before, and while the
// server drains.
func (c *Client) Ping(ctx context.Context) error {
	accepting, err := invoke(ctx, c, &callSettings{},
		func(ctx context.Context, service *stub) (bool, error) { return service.Ping(ctx) })
	if err == nil && !accepting {
		return &ServerError{
			Code:      thriftscoreidl.ErrorCode_UNAVAILABLE,
			Message:   "the server takes no requests",
			Retryable: true,
			Endpoint:  c.endpoint,
		}
	}
	return err
}

// ServerLive reports whether the process works at all.
func (c *Client) ServerLive(ctx context.Context) (bool, error) {
	return invoke(ctx, c, &callSettings{},
		func(ctx context.Context, service *stub) (bool, error) { return service.ServerLive(ctx) })
}

// ServerReady reports whether all configured models are loaded and the server is not draining.
func (c *Client) ServerReady(ctx context.Context) (bool, error) {
	return invoke(ctx, c, &callSettings{},
		func(ctx context.Context, service *stub) (bool, error) { return service.ServerReady(ctx) })
}

// ServerMetadata says what the server is.
func (c *Client) ServerMetadata(ctx context.Context) (*ServerMetadata, error) {
	return invoke(ctx, c, &callSettings{},
		func(ctx context.Context, service *stub) (*ServerMetadata, error) {
			return service.ServerMetadata(ctx)
		})
}

// ModelReady reports whether a version of a model is loaded. The version is a number, a label, or
// empty for the default one.
func (c *Client) ModelReady(ctx context.Context, model, version string) (bool, error) {
	return invoke(ctx, c, &callSettings{model: model},
		func(ctx context.Context, service *stub) (bool, error) {
			return service.ModelReady(ctx, model, version)
		})
}

// ModelMetadata says what a version of a model is. The version is a number, a label, or empty for
// the default one.
func (c *Client) ModelMetadata(ctx context.Context, model, version string) (
	*ModelMetadata, error) {
	return invoke(ctx, c, &callSettings{model: model},
		func(ctx context.Context, service *stub) (*ModelMetadata, error) {
			return service.ModelMetadata(ctx, model, version)
		})
}

// ModelStatistics returns the statistics of a model, or of all where it is empty; of a version, or
// of all that are loaded where that is empty.
func (c *Client) ModelStatistics(ctx context.Context, model, version string) (
	[]*ModelStatistics, error) {
	return invoke(ctx, c, &callSettings{model: model},
		func(ctx context.Context, service *stub) ([]*ModelStatistics, error) {
			response, err := service.ModelStatistics(ctx, model, version)
			if err != nil {
				return nil, err
			}
			return response.ModelStats, nil
		})
}
