#!/usr/bin/env ruby
# frozen_string_literal: true

# Sends a mail by ActionMailer: examples/rails/send.rb you@example.com
#
# Needs Debian's ruby and ruby-actionmailer.

require "action_mailer"
require_relative "postilion_delivery"

ActionMailer::Base.add_delivery_method :postilion, PostilionDelivery, timeout: 60
ActionMailer::Base.delivery_method = :postilion

# A mailer as an application has it.
class OrderMailer < ActionMailer::Base
  default from: "Shop <shop@example.com>"

  def confirmation(to)
    attachments["invoice.txt"] = "12.50 EUR\n"
    mail(to: to, subject: "Your order, with greetings from Rails: Grüße") do |format|
      format.text { render plain: "Thank you for your order.\n" }
      format.html { render html: "<p>Thank you for your order.</p>".html_safe }
    end
  end
end

abort "usage: send.rb ADDRESS" unless ARGV.length == 1
begin
  OrderMailer.confirmation(ARGV.first).deliver_now
rescue PostilionDelivery::Error => e
  abort "not accepted: #{e.code}: #{e.message}"
end
puts "accepted"
