// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;

/** A request ready to be sent. */
interface OutgoingMessage {

  /** How many bytes {@link #writeTo} writes. */
  int bytes();

  void writeTo(FrameOutput output) throws IOException;
}
