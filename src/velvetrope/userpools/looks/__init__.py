"""What the hosted pages look like and what they ask people to read: branding, style sheets, images, terms."""
