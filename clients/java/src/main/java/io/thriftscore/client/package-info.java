// SPDX-License-Identifier: Apache-2.0

/**
 * Scores models on a thriftscore server: {@link io.thriftscore.client.ThriftscoreClient} makes the
 * calls, records carry what goes in and comes out, and every failure is a {@link
 * io.thriftscore.client.ThriftscoreException}.
 */
package io.thriftscore.client;
