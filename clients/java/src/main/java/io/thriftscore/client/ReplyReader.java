// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.net.ProtocolException;

/** Makes a result of a generated reply that holds one. */
@FunctionalInterface
interface ReplyReader<T, R> {
  R read(T reply) throws ProtocolException;
}
