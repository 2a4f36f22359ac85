# Action Cable at /cable, and at / a page that uses it; everything else is 404.
require_relative "../config/environment"

map "/cable" do
  run ActionCable.server
end

files = {
  "/" => ["text/html; charset=utf-8", File.expand_path("index.html", __dir__)],
  "/action_cable.js" => ["text/javascript", ActionCable::Engine.root.join("app/assets/javascripts/action_cable.js").to_s]
}

run(lambda do |env|
  type, file = files[env["PATH_INFO"]]
  next [404, { "Content-Type" => "text/plain" }, ["not found\n"]] unless file

  [200, { "Content-Type" => type }, [File.read(file)]]
end)
