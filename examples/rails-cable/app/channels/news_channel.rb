# What is published to "news:<topic>" reaches everyone who follows that topic.
class NewsChannel < ApplicationCable::Channel
  def subscribed
    stream_from "news:#{params[:topic]}"
  end
end
