// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.idl.ScoringError;
import java.io.IOException;
import org.apache.thrift.TBase;
import org.apache.thrift.TException;
import org.apache.thrift.TFieldIdEnum;

/** Sends the arguments of a case field by field, for requests that a client would not send. */
final class WireCases {
  private static final int SUCCESS_FIELD = 0;
  private static final int ERROR_FIELD = 1;

  private final WireStub stub;

  WireCases(WireStub stub) {
    this.stub = stub;
  }

  ObjectNode answer(String method, JsonNode arguments)
      throws IOException, ReflectiveOperationException {
    TBase<?, ?> reply = instance(method + "_result");
    try {
      stub.call(method, instance(method + "_args").getClass(), arguments, reply);
    } catch (TException failure) {
      throw new IOException(failure.toString(), failure);
    }
    return answer(reply);
  }

  private static <F extends TFieldIdEnum> ObjectNode answer(TBase<?, F> reply)
      throws IOException {
    F error = reply.fieldForId(ERROR_FIELD);
    F success = reply.fieldForId(SUCCESS_FIELD);
    if (reply.isSet(error)) {
      ScoringError declared = (ScoringError) reply.getFieldValue(error);
      return Answers.error(declared.getCode(), declared.getMessage(), declared.isRetryable());
    }
    if (!reply.isSet(success)) {
      throw new IOException("the reply has neither a result nor an error");
    }
    return Answers.returned(reply.getFieldValue(success));
  }

  private static TBase<?, ?> instance(String name) throws ReflectiveOperationException {
    Class<?> type = Class.forName("io.thriftscore.idl.ScoringService$" + name);
    return (TBase<?, ?>) type.getDeclaredConstructor().newInstance();
  }
}
