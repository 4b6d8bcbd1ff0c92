// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ScoringError;
import java.io.IOException;
import org.apache.thrift.TException;

/** One call of the contract: what is sent, once for each attempt, and what the reply means. */
abstract class Request<R> {
  final String method;
  final String model;
  final CallOptions options;

  Request(String method, String model, CallOptions options) {
    this.method = method;
    this.model = model;
    this.options = options;
  }

  /** Roughly how large the message will be. */
  int approximateBytes() {
    return 0;
  }

  /**
   * The message of an attempt.
   *
   * @throws IllegalArgumentException if it is larger than a frame may be
   */
  abstract OutgoingMessage message(int sequence, CallContext context) throws TException;

  /**
   * The result in a reply to that message.
   *
   * @throws ScoringError if the reply is one
   * @throws TException if it is another refusal
   * @throws IOException if it contradicts itself or the request
   */
  abstract R read(byte[] reply, int sequence) throws TException, IOException;
}
