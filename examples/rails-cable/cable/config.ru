# Action Cable alone, at /cable; everything else is 404.
require_relative "../config/environment"

map "/cable" do
  run ActionCable.server
end
