# Nobody is a member: every subscription is rejected.
class MembersChannel < ApplicationCable::Channel
  def subscribed
    reject
  end
end
