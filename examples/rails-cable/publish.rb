#!/usr/bin/env ruby
# Broadcasts one message from a process of its own: ruby publish.rb TOPIC TEXT
abort "usage: ruby publish.rb TOPIC TEXT" unless ARGV.length == 2

require_relative "config/environment"

topic, text = ARGV
ActionCable.server.broadcast("news:#{topic}", { "text" => text, "published_by" => Process.pid })
