# Boots the application; cable/config.ru and publish.rb both begin here.
require_relative "application"

Rails.application.initialize!
