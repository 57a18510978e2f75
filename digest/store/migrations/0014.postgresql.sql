-- What leaves by other channels than mail, of which there is little, apart from the mail.
CREATE INDEX delivery_elsewhere ON delivery (state, channel, not_before, "key") WHERE channel <> 'mail';
