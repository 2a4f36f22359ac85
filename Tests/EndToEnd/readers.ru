# Puma's parser, telling what it read, as readers.py does for others.
require "json"

total = 0
run(lambda do |env|
  total += 1
  fields = env.select { |name, _| name.start_with?("HTTP_") || name == "CONTENT_TYPE" }
              .reject { |name, _| name == "HTTP_VERSION" }
              .map { |name, value| [name.delete_prefix("HTTP_").tr("_", "-"), value.b.force_encoding("ISO-8859-1").encode("UTF-8")] }
  told = {
    reader: "puma", total: total, method: env["REQUEST_METHOD"], target: env["REQUEST_URI"], fields: fields,
    body: env["rack.input"].read.b.force_encoding("ISO-8859-1").encode("UTF-8")
  }
  content = JSON.generate(told)
  [200, { "Content-Length" => content.bytesize.to_s }, [content]]
end)
