// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import io.thriftscore.idl.DataType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import org.apache.thrift.TBase;
import org.apache.thrift.TException;
import org.apache.thrift.TFieldIdEnum;
import org.apache.thrift.meta_data.FieldMetaData;
import org.apache.thrift.meta_data.FieldValueMetaData;
import org.apache.thrift.meta_data.ListMetaData;
import org.apache.thrift.meta_data.MapMetaData;
import org.apache.thrift.meta_data.StructMetaData;
import org.apache.thrift.protocol.TField;
import org.apache.thrift.protocol.TList;
import org.apache.thrift.protocol.TMap;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.protocol.TStruct;
import org.apache.thrift.protocol.TType;

/** Writes JSON as the generated struct that it describes. */
final class JsonStructWriter {
  private final TProtocol output;

  JsonStructWriter(TProtocol output) {
    this.output = output;
  }

  /** Fields that are absent or null are not written. */
  void writeStruct(Class<?> type, JsonNode fields) throws TException {
    Set<String> unknown = new HashSet<>();
    fields.fieldNames().forEachRemaining(unknown::add);
    output.writeStructBegin(new TStruct(type.getSimpleName()));
    for (Map.Entry<? extends TFieldIdEnum, FieldMetaData> field : metadata(type).entrySet()) {
      String name = field.getKey().getFieldName();
      unknown.remove(name);
      JsonNode value = fields.path(name);
      if (!value.isMissingNode() && !value.isNull()) {
        FieldValueMetaData metadata = field.getValue().valueMetaData;
        short id = field.getKey().getThriftFieldId();
        output.writeFieldBegin(new TField(name, wireType(metadata), id));
        writeValue(metadata, value);
        output.writeFieldEnd();
      }
    }
    output.writeFieldStop();
    output.writeStructEnd();
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(type.getSimpleName() + " has no fields " + unknown);
    }
  }

  /** The fields of a generated struct. */
  @SuppressWarnings("unchecked") // Thrift declares the parameter as a raw type.
  static Map<? extends TFieldIdEnum, FieldMetaData> metadata(Class<?> type) {
    return FieldMetaData.getStructMetaDataMap(type.asSubclass(TBase.class));
  }

  private static byte wireType(FieldValueMetaData metadata) {
    return metadata.type == TType.ENUM ? TType.I32 : metadata.type;
  }

  private void writeValue(FieldValueMetaData metadata, JsonNode value) throws TException {
    switch (metadata.type) {
      case TType.BOOL -> output.writeBool(value.booleanValue());
      case TType.I32 -> output.writeI32(value.intValue());
      case TType.I64 -> output.writeI64(value.longValue());
      case TType.DOUBLE -> output.writeDouble(Numbers.number(value));
      case TType.ENUM -> output.writeI32(enumNumber(value));
      case TType.STRING -> writeText(metadata, value);
      case TType.STRUCT -> writeStruct(((StructMetaData) metadata).structClass, value);
      case TType.LIST -> writeList(((ListMetaData) metadata).elemMetaData, value);
      case TType.MAP -> writeMap((MapMetaData) metadata, value);
      default -> throw new IllegalArgumentException("no JSON for wire type " + metadata.type);
    }
  }

  private void writeText(FieldValueMetaData metadata, JsonNode value) throws TException {
    if (metadata.isBinary()) {
      output.writeBinary(ByteBuffer.wrap(bytes(value)));
    } else {
      output.writeString(value.textValue());
    }
  }

  private void writeList(FieldValueMetaData element, JsonNode list) throws TException {
    output.writeListBegin(new TList(wireType(element), list.size()));
    for (JsonNode item : list) {
      writeValue(element, item);
    }
    output.writeListEnd();
  }

  private void writeMap(MapMetaData metadata, JsonNode map) throws TException {
    FieldValueMetaData value = metadata.valueMetaData;
    output.writeMapBegin(new TMap(TType.STRING, wireType(value), map.size()));
    for (var entry : map.properties()) {
      output.writeString(entry.getKey());
      writeValue(value, entry.getValue());
    }
    output.writeMapEnd();
  }

  /** The only enum in a request is the datatype. */
  private static int enumNumber(JsonNode value) {
    return value.isTextual() ? DataType.valueOf(value.textValue()).getValue() : value.intValue();
  }

  private static byte[] bytes(JsonNode value) {
    var form = value.properties().iterator().next();
    if (form.getKey().equals("hex")) {
      return HexFormat.of().parseHex(form.getValue().textValue());
    }
    int itemBytes = form.getKey().endsWith("64") ? Long.BYTES : Integer.BYTES;
    ByteBuffer bytes =
        ByteBuffer.allocate(itemBytes * form.getValue().size()).order(ByteOrder.LITTLE_ENDIAN);
    for (JsonNode item : form.getValue()) {
      switch (form.getKey()) {
        case "FP32" -> bytes.putFloat((float) Numbers.number(item));
        case "FP64" -> bytes.putDouble(Numbers.number(item));
        case "INT32" -> bytes.putInt(item.intValue());
        case "INT64" -> bytes.putLong(item.longValue());
        default -> throw new IllegalArgumentException("no bytes of " + form.getKey());
      }
    }
    return bytes.array();
  }
}
