# Pages and forms. There is no Action Cable server: the daemon serves the WebSockets.
require_relative "config/environment"

run Rails.application
