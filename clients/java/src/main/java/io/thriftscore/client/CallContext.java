// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.RequestContext;

/** What an attempt tells the server about its call; empty texts are not sent. */
record CallContext(int deadlineMillis, String requestId, String traceparent, String authToken) {

  RequestContext toStruct() {
    RequestContext context = new RequestContext().setDeadline_ms(deadlineMillis);
    if (!requestId.isEmpty()) {
      context.setRequest_id(requestId);
    }
    if (!traceparent.isEmpty()) {
      context.setTraceparent(traceparent);
    }
    if (!authToken.isEmpty()) {
      context.setAuth_token(authToken);
    }
    return context;
  }
}
