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
	accepting, err := invoke[bool](ctx, c, &call{
		callSettings: &callSettings{},
		method:       "ping",
		arguments:    &thriftscoreidl.ScoringServicePingArgs{},
		decode:       decodePlain[bool, thriftscoreidl.ScoringServicePingResult],
	})
	if err == nil && !accepting {
		return &ServerError{
			Code:      thriftscoreidl.ErrorCode_UNAVAILABLE,
			Message:   "the server takes no requests",
			Retryable: true,
			Endpoint:  c.endpoints,
			Method:    "ping",
		}
	}
	return err
}

// ServerLive reports whether the process works at all.
func (c *Client) ServerLive(ctx context.Context) (bool, error) {
	return invoke[bool](ctx, c, &call{
		callSettings: &callSettings{},
		method:       "server_live",
		arguments:    &thriftscoreidl.ScoringServiceServerLiveArgs{},
		decode:       decodePlain[bool, thriftscoreidl.ScoringServiceServerLiveResult],
	})
}

// ServerReady reports whether all configured models are loaded and the server is not draining.
func (c *Client) ServerReady(ctx context.Context) (bool, error) {
	return invoke[bool](ctx, c, &call{
		callSettings: &callSettings{},
		method:       "server_ready",
		arguments:    &thriftscoreidl.ScoringServiceServerReadyArgs{},
		decode:       decodePlain[bool, thriftscoreidl.ScoringServiceServerReadyResult],
	})
}

// ServerMetadata says what the server is.
func (c *Client) ServerMetadata(ctx context.Context) (*ServerMetadata, error) {
	return invoke[*ServerMetadata](ctx, c, &call{
		callSettings: &callSettings{},
		method:       "server_metadata",
		arguments:    &thriftscoreidl.ScoringServiceServerMetadataArgs{},
		decode: decodePlain[*ServerMetadata,
			thriftscoreidl.ScoringServiceServerMetadataResult],
	})
}

// ModelReady reports whether a version of a model is loaded. The version is a number, a label, or
// empty for the default one.
func (c *Client) ModelReady(ctx context.Context, model, version string) (bool, error) {
	return invoke[bool](ctx, c, &call{
		callSettings: &callSettings{model: model},
		method:       "model_ready",
		arguments: &thriftscoreidl.ScoringServiceModelReadyArgs{
			ModelName: model, ModelVersion: version,
		},
		decode: decodePlain[bool, thriftscoreidl.ScoringServiceModelReadyResult],
	})
}

// ModelMetadata says what a version of a model is. The version is a number, a label, or empty for
// the default one.
func (c *Client) ModelMetadata(ctx context.Context, model, version string) (
	*ModelMetadata, error) {
	return invoke[*ModelMetadata](ctx, c, &call{
		callSettings: &callSettings{model: model},
		method:       "model_metadata",
		arguments: &thriftscoreidl.ScoringServiceModelMetadataArgs{
			ModelName: model, ModelVersion: version,
		},
		decode: decodePlain[*ModelMetadata, thriftscoreidl.ScoringServiceModelMetadataResult],
	})
}

// ModelStatistics returns the statistics of a model, or of all where it is empty; of a version, or
// of all that are loaded where that is empty.
func (c *Client) ModelStatistics(ctx context.Context, model, version string) (
	[]*ModelStatistics, error) {
	response, err := invoke[*thriftscoreidl.ModelStatisticsResponse](ctx, c, &call{
		callSettings: &callSettings{model: model},
		method:       "model_statistics",
		arguments: &thriftscoreidl.ScoringServiceModelStatisticsArgs{
			ModelName: model, ModelVersion: version,
		},
		decode: decodePlain[*thriftscoreidl.ModelStatisticsResponse,
			thriftscoreidl.ScoringServiceModelStatisticsResult],
	})
	if err != nil {
		return nil, err
	}
	return response.ModelStats, nil
}
